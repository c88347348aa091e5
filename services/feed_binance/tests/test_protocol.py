"""Binance's protocol: every frame shape of its documentation, and any other bytes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_binance.protocol import BinanceProtocol
from k2_shared.core import contracts
from k2_shared.core.trade import Trade, decode
from k2_shared.feed.venue.protocol import Event, Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_support.records import SCHEMAS, example, value

PAIRS = {"BTC/USDT": "BTCUSDT", "1INCH/USDT": "1INCHUSDT"}
ROW: dict[str, Any] = {
    "e": "trade",
    "E": 1723161255343,
    "s": "BTCUSDT",
    "t": 3735683259,
    "p": "61837.63000000",
    "q": "0.02000000",
    "T": 1723161255342,
    "m": True,
    "M": True,
}


def receive(frame: str | bytes) -> Event:
    return BinanceProtocol(PAIRS).receive(frame.encode() if isinstance(frame, str) else frame)


def frame(stream: str = "btcusdt@trade", **changes: Any) -> str:
    data = {name: said for name, said in {**ROW, **changes}.items() if said is not None}
    return json.dumps({"stream": stream, "data": data})


def received(**changes: Any) -> Trade:
    event = receive(frame(**changes))
    assert isinstance(event, TradesReceived)
    (found,) = event.trades
    return found


def test_it_subscribes_in_lower_case_and_asks_what_is_subscribed() -> None:
    """An unknown stream is acknowledged like any other, so the acknowledgement is not enough."""
    first, second = BinanceProtocol(PAIRS).subscribe(list(PAIRS))
    assert json.loads(first) == {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "1inchusdt@trade"], "id": 1}
    assert json.loads(second) == {"method": "LIST_SUBSCRIPTIONS", "id": 2}


def test_a_trade_is_stamped_from_its_trade_time() -> None:
    """E differs per connection and stays out of the identity."""
    found = received()
    assert found == Trade(
        exchange="BINANCE",
        symbol="BTC/USDT",
        trade_id=3735683259,
        timestamp=1723161255342000,
        price=Decimal("61837.63"),
        quantity=Decimal("0.02"),
        side="SELL",
        vendor_data={"event_time": "1723161255343", "best_match": "true"},
    )
    other = received(E=1723161255999)
    assert (other.message_id, other.timestamp) == (found.message_id, found.timestamp)


@pytest.mark.parametrize(("maker", "side"), [(True, "SELL"), (False, "BUY")])
def test_the_side_is_the_takers(maker: bool, side: str) -> None:
    """Where the buyer is the maker the taker sold."""
    assert received(m=maker).side == side


@pytest.mark.parametrize(
    ("said", "microseconds"), [(1723161255342, 1723161255342000), (1723161255342123, 1723161255342123)]
)
def test_both_time_units_are_understood(said: int, microseconds: int) -> None:
    """With timeUnit=MICROSECOND times have 16 digits."""
    assert received(T=said).timestamp == microseconds


def test_what_is_not_said_is_not_made_up() -> None:
    """Without M there is no best match."""
    assert received(M=None).vendor_data == {"event_time": "1723161255343"}
    assert received(M=False).vendor_data == {"event_time": "1723161255343", "best_match": "false"}


def test_the_example_frame_is_the_example_trade() -> None:
    """What the contracts show is what the feed makes of it."""
    event = receive((contracts.ROOT / "examples/valid/binance_frame.json").read_bytes())
    assert isinstance(event, TradesReceived)
    record = example("valid/binance_trade.json")
    ingested = {"ingestion_timestamp": decode(record.value, SCHEMAS)["ingestion_timestamp"]}
    assert decode(value(event.trades[0]), SCHEMAS) | ingested == decode(record.value, SCHEMAS)
    assert event.trades[0].key == record.key


@given(st.integers(0, 10**12), st.integers(0, 10**10 - 1), st.integers(1, 10))
def test_a_price_is_the_exact_decimal_of_its_text(whole: int, fraction: int, digits: int) -> None:
    """No float in between: every digit of the text is in the number."""
    text = f"{whole}.{str(fraction).zfill(10)[:digits]}"
    assert str(received(p=text).price) == str(Decimal(text))


@pytest.mark.parametrize("text", ["1e-05", "46116860414.00", "92141578.00", "0.00000001"])
def test_exponents_and_huge_quantities_are_read_exactly(text: str) -> None:
    """SHIB and BTTC go beyond decimal(18,8); whether it fits is decided later."""
    assert received(q=text).quantity == Decimal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (frame(p="much"), "'much' is no number"),
        (frame(p=1.5), "Expected `str`"),
        (frame(q=""), "'' is no number"),
        (frame(t="7"), "Expected `int`"),
        (frame(t=None), "missing required field `t`"),
        (frame(s="DOGEUSDT"), "DOGEUSDT"),
        (frame(s="btcusdt"), "btcusdt"),
        (frame("1inchusdt@trade"), "a trade of 'BTCUSDT' in the stream '1inchusdt@trade'"),
        (frame(m="true"), "Expected `bool`"),
        (frame().replace("3735683259", "1" * 5000), "out of range"),
        ('{"stream":"btcusdt@trade"}', "Expected `object`"),
        ('{"stream":7}', "stream"),
        ("[1]", "Expected `object`"),
        (frame()[:-1], "truncated"),
        ("", "truncated"),
        ('{"data":' + "[" * 100_000, "RecursionError"),
    ],
)
def test_a_frame_that_breaks_the_protocol_is_unreadable(text: str, said: str) -> None:
    """A symbol that was not asked for is of these: its canonical name is unknown."""
    event = receive(text)
    assert isinstance(event, Unreadable)
    assert said in event.detail


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    """Whatever comes is an event."""
    assert isinstance(receive(data), Unreadable | Notice | Refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "stream": st.just("btcusdt@trade") | JSON,
            "data": st.fixed_dictionaries({}, optional={n: st.just(v) | JSON for n, v in ROW.items()}) | JSON,
            "id": st.sampled_from([1, 2]) | JSON,
            "result": st.lists(st.just("btcusdt@trade")) | JSON,
            "error": st.fixed_dictionaries({}, optional={"code": JSON, "msg": JSON}) | JSON,
            "e": JSON,
        },
    )
)
def test_any_json_object_never_raises(message: dict[str, Any]) -> None:
    """Fields of the right names and any values are an event too."""
    assert isinstance(receive(json.dumps(message)), Event)


@pytest.mark.parametrize(
    ("streams", "symbols"),
    [
        (["btcusdt@trade", "1inchusdt@trade"], {"BTC/USDT", "1INCH/USDT"}),
        (["1inchusdt@trade", "dogeusdt@trade"], {"1INCH/USDT"}),
        (["btcusdt@aggTrade"], set()),
        ([], set()),
        (None, set()),
    ],
)
def test_the_list_of_subscriptions_confirms_what_is_in_it(streams: list[str] | None, symbols: set[str]) -> None:
    """Only the streams that were asked for count, and only as trades."""
    assert receive(json.dumps({"result": streams, "id": 2})) == Subscribed(frozenset(symbols))


@pytest.mark.parametrize("request_id", [1, 2])
def test_an_error_reply_is_a_refusal_in_binances_words(request_id: int) -> None:
    """To the subscription and to the question alike."""
    reply = {"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": request_id}
    assert receive(json.dumps(reply)) == Refused("2 Invalid request: unknown variant")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"result":null,"id":1}', "ack"),
        ('{"e":"serverShutdown","E":1770123456789}', "serverShutdown"),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', "serverShutdown"),
        ('{"stream":"btcusdt@aggTrade","data":{}}', "other"),
        ('{"e":"any text of theirs"}', "other"),
        ("{}", "other"),
    ],
)
def test_a_frame_without_trades_is_a_notice_of_a_bounded_kind(text: str, kind: str) -> None:
    """A metric's label does not grow with what the venue says; what that is called is told beside it."""
    found = receive(text)
    assert isinstance(found, Notice)
    assert found.kind == kind
    assert (found.detail == "") == (kind != "other" or text == "{}")


def test_a_trade_of_the_raw_stream_is_a_trade() -> None:
    """Without the envelope of the combined one, as ``/ws`` sends it."""
    row = ROW | {"t": 12345, "p": "61000.10", "q": "0.5", "m": True}
    found = receive(json.dumps(row))
    assert isinstance(found, TradesReceived)
    (trade,) = found.trades
    assert (trade.symbol, trade.trade_id, trade.side) == ("BTC/USDT", 12345, "SELL")
    assert (str(trade.price), str(trade.quantity)) == ("61000.10", "0.5")


@pytest.mark.parametrize(
    "text",
    [
        '{"e":"trade","x":1}',
        '{"data":{"e":"trade","t":1}}',
        '{"id":1,"result":null,"data":{"e":"trade","t":1}}',
        '{"id":2,"result":[],"e":"trade"}',
        '{"stream":"btcusdt@trade","data":[]}',
        frame()[:-1] + ',"data":null}',
        frame().replace('"t":', '"t":1,"t":', 1),
        '{"list":["btcusdt@trade"]}',
    ],
)
def test_what_may_carry_a_trade_is_never_taken_for_a_notice(text: str) -> None:
    """It goes whole to raw and to the dead letters."""
    assert isinstance(receive(text), Unreadable)


@pytest.mark.parametrize(
    "text", ["1_000", "\uff11\uff12\uff13", " 61000.1 ", "+5", "sNaN", "Infinity", "1e", ".", "0x1", "1" * 65]
)
def test_what_no_venue_writes_is_no_number(text: str) -> None:
    """Python's Decimal would take most of these."""
    for field in ("p", "q"):
        assert isinstance(receive(frame(**{field: text})), Unreadable)


def test_a_flat_error_is_a_refusal_in_binances_words() -> None:
    """As documented beside the nested one; of a bounded length."""
    assert receive('{"code":2,"msg":"Invalid request: too many"}') == Refused("2 Invalid request: too many")
    long = receive(json.dumps({"code": 3, "msg": "x" * 5_000}))
    assert isinstance(long, Refused)
    assert len(long.message) == 200


def test_many_symbols_are_asked_for_in_several_messages() -> None:
    """At most five messages a second, and none of any size."""
    pairs = {f"A{number}/USDT": f"A{number}USDT" for number in range(450)}
    *asked, listed = BinanceProtocol(pairs).subscribe(list(pairs))
    assert [len(json.loads(message)["params"]) for message in asked] == [200, 200, 50]
    assert "LIST_SUBSCRIPTIONS" in listed


def test_a_symbol_that_was_left_can_still_be_read() -> None:
    """Trades that were on their way when it was unsubscribed are no garbage."""
    pairs = dict(PAIRS)
    protocol = BinanceProtocol(pairs)
    protocol.subscribe(list(pairs))
    del pairs["BTC/USDT"]
    (message,) = protocol.unsubscribe(["BTC/USDT"])
    assert json.loads(message)["params"] == ["btcusdt@trade"]
    assert isinstance(protocol.receive(frame().encode()), TradesReceived)


def test_there_is_no_application_ping() -> None:
    """The protocol's own is all that Binance has."""
    assert BinanceProtocol(PAIRS).ping() is None


def test_a_trade_in_a_stream_of_another_kind_is_unreadable() -> None:
    """It has a trade's shape, and the stream says that it is none: neither is believed."""
    assert isinstance(receive(frame("btcusdt@aggTrade")), Unreadable)
