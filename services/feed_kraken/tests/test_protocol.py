"""Kraken's protocol: every frame shape of its documentation, and any other bytes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_kraken.protocol import KrakenProtocol
from k2_shared.core import contracts
from k2_shared.core.trade import Trade, decode
from k2_shared.feed.venue.protocol import Event, Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_support.records import SCHEMAS, example, value

ROW = (
    '{"symbol":"BTC/USDT","side":"buy","price":118832.9,"qty":0.00409283,"ord_type":"market",'
    '"trade_id":9622656,"timestamp":"2025-07-23T04:41:46.919844Z"}'
)
TRADE = Trade(
    exchange="KRAKEN",
    symbol="BTC/USDT",
    trade_id=9622656,
    timestamp=1753245706919844,
    price=Decimal("118832.9"),
    quantity=Decimal("0.00409283"),
    side="BUY",
    vendor_data={"ord_type": "market"},
)


def receive(frame: str | bytes) -> Event:
    return KrakenProtocol().receive(frame.encode() if isinstance(frame, str) else frame)


def frame(*rows: str, kind: str = "update") -> str:
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}'


def row(**changes: str) -> str:
    """The row with fields replaced by raw JSON text."""
    fields = {name: json.dumps(said) for name, said in json.loads(ROW, parse_float=str).items()}
    fields.update(price="118832.9", qty="0.00409283")
    return "{" + ",".join(f'"{name}":{text}' for name, text in {**fields, **changes}.items()) + "}"


def received(text: str) -> Trade:
    event = receive(frame(text))
    assert isinstance(event, TradesReceived)
    return event.trades[0]


def test_one_message_subscribes_to_all_with_a_snapshot() -> None:
    """The snapshot is always said: its default has changed once."""
    (message,) = KrakenProtocol().subscribe(["BTC/USD", "ETH/USD"])
    assert json.loads(message) == {
        "method": "subscribe",
        "params": {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": True},
        "req_id": 1,
    }


@pytest.mark.parametrize("kind", ["update", "snapshot"])
def test_every_trade_of_a_frame_is_taken_in_order(kind: str) -> None:
    """Updates and snapshots alike may hold several."""
    event = receive(frame(ROW, row(trade_id="9622657", side='"sell"'), ROW, kind=kind))
    assert isinstance(event, TradesReceived)
    assert [(t.trade_id, t.side) for t in event.trades] == [(9622656, "BUY"), (9622657, "SELL"), (9622656, "BUY")]
    assert event.trades[0] == TRADE


def test_the_example_frame_holds_the_example_trade() -> None:
    """What the contracts show is what the feed makes of it."""
    event = receive((contracts.ROOT / "examples/valid/kraken_frame.json").read_bytes())
    assert isinstance(event, TradesReceived)
    record = example("valid/kraken_trade.json")
    assert decode(value(event.trades[0]), SCHEMAS) == decode(record.value, SCHEMAS)
    assert event.trades[0].key == record.key
    assert event.trades[1].quantity == Decimal("0.00001")


@given(st.integers(0, 10**12), st.integers(0, 10**10 - 1), st.integers(1, 10))
def test_a_price_is_the_exact_decimal_of_its_text(whole: int, fraction: int, digits: int) -> None:
    """No float in between: every digit of the text is in the number."""
    text = f"{whole}.{str(fraction).zfill(10)[:digits]}"
    assert str(received(row(price=text)).price) == str(Decimal(text))


@pytest.mark.parametrize("text", ["1e-05", "1E-5", "0.00001", "9.2e10", "92233720368.54775807", "0", "-1.5"])
def test_any_json_number_is_read_exactly(text: str) -> None:
    """Exponents and quantities beyond decimal(18,8) are read; whether they fit is decided later."""
    found = received(row(qty=text, price=text))
    assert (found.quantity, found.price) == (Decimal(text), Decimal(text))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2025-07-23T04:41:46.919844Z", 1753245706919844),
        ("2025-07-23T04:41:46.919844999Z", 1753245706919844),
        ("2025-07-23T04:41:46.9Z", 1753245706900000),
        ("2025-07-23T04:41:46Z", 1753245706000000),
        ("2025-07-23T06:41:46.919844+02:00", 1753245706919844),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_a_timestamp_is_microseconds_in_utc(text: str, microseconds: int) -> None:
    """Digits beyond the microsecond are truncated, not rounded."""
    assert received(row(timestamp=f'"{text}"')).timestamp == microseconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (frame(row(timestamp='"2025-07-23T04:41:46.919844"')), "has no time zone"),
        (frame(row(timestamp='"yesterday"')), "Invalid isoformat"),
        (frame(row(timestamp='"2025-13-01T00:00:00Z"')), "month"),
        (frame(row(price='"much"')), "'much' is no number"),
        (frame(row(price='"118832.9"')), "'118832.9' is no number"),
        (frame(row(qty='"1_000"')), "'1_000' is no number"),
        (frame(row(qty="NaN")), "malformed"),
        (frame(row(price="null")), "'None' is no number"),
        (frame(row(price="true")), "'True' is no number"),
        (frame(row(price="1e99999999999999999999")), "InvalidOperation"),
        (frame(ROW)[:-1] + ',"data":[]}', "of 1 trades 0 can be read"),
        (frame(ROW)[:-1] + f',"data":[{ROW},{ROW}]}}', "of 3 trades 2 can be read"),
        ('{"channel":"trades","data":[' + ROW + "]}", "may carry trades"),
        ('{"method":"subscribe","success":true,"trade_id":1}', "may carry trades"),
        (frame(row(side='"hold"')), "side"),
        (frame(row(trade_id='"7"')), "trade_id"),
        (frame(row(trade_id="1.5")), "trade_id"),
        (frame(row(trade_id="1" * 5000)), "out of range"),
        (frame('{"symbol":"BTC/USD"}'), "missing required field"),
        ('{"channel":"trade","data":{}}', "Expected `array`"),
        ('{"channel":"trade"}', "Expected `array`"),
        ('{"channel":7}', "channel"),
        ("[1,2]", "Expected `object`"),
        (frame(ROW)[:-1], "truncated"),
        ("", "truncated"),
        ('{"data":' + "[" * 100_000, "recursion"),
    ],
)
def test_a_frame_that_breaks_the_protocol_is_unreadable(text: str, said: str) -> None:
    """It says what is wrong, and takes no neighbour for granted: the frame goes whole to the DLQ."""
    event = receive(text)
    assert isinstance(event, Unreadable)
    assert said in event.detail


def test_one_bad_row_makes_the_frame_unreadable() -> None:
    """Half a frame is not published."""
    assert isinstance(receive(frame(ROW, row(side='"hold"'))), Unreadable)


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
            "channel": st.sampled_from(["trade", "status", "heartbeat"]) | JSON,
            "method": st.sampled_from(["subscribe", "pong"]) | JSON,
            "data": st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(json.loads(ROW), JSON))) | JSON,
            "result": st.fixed_dictionaries({}, optional={"channel": JSON, "snapshot": JSON, "symbol": JSON}) | JSON,
            "success": st.booleans() | JSON,
            "error": JSON,
        },
    )
)
def test_any_json_object_never_raises(message: dict[str, Any]) -> None:
    """Fields of the right names and any values are an event too."""
    assert isinstance(receive(json.dumps(message)), Event)


ACK: dict[str, Any] = {
    "method": "subscribe",
    "result": {"channel": "trade", "snapshot": True, "symbol": "BTC/USD"},
    "success": True,
    "time_in": "2025-07-23T04:41:46.919844Z",
    "time_out": "2025-07-23T04:41:46.919944Z",
    "req_id": 1,
}


@pytest.mark.parametrize("more", [{}, {"warnings": ["snapshot is deprecated"]}])
def test_an_acknowledgement_confirms_its_symbol(more: dict[str, Any]) -> None:
    """One for each symbol; warnings do not matter."""
    result = {**ACK["result"], **more}
    assert receive(json.dumps({**ACK, "result": result})) == Subscribed(frozenset({"BTC/USD"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"result": {**ACK["result"], "snapshot": False}}, "snapshot=False"),
        ({"result": {"channel": "trade", "symbol": "BTC/USD"}}, "snapshot=None"),
        ({"result": {**ACK["result"], "channel": "book"}}, "confirmed 'book'"),
        ({"result": None}, "no reason given"),
        ({"success": False, "error": "Currency pair not supported XBT/EUR"}, "Currency pair not supported XBT/EUR"),
    ],
)
def test_an_echo_that_differs_is_a_refusal(changes: dict[str, Any], said: str) -> None:
    """The echo decides, not the request."""
    event = receive(json.dumps({**ACK, **changes}))
    assert isinstance(event, Refused)
    assert said in event.message


def test_an_error_reply_is_a_refusal_in_krakens_words() -> None:
    """As documented, without a result."""
    text = '{"error":"Currency pair not supported XBT/EUR","method":"subscribe","success":false,"symbol":"XBT/EUR"}'
    assert receive(text) == Refused("Currency pair not supported XBT/EUR", "XBT/EUR")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"channel":"heartbeat"}', "heartbeat"),
        ('{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.9"}]}', "status"),
        ('{"channel":"status","type":"update","data":[{"system":"post_only"}]}', "status"),
        ('{"method":"pong","req_id":101,"time_in":"x","time_out":"y"}', "pong"),
        ('{"method":"unsubscribe","success":true,"result":{"channel":"trade"}}', "unsubscribe"),
        (frame(), "empty"),
        ('{"channel":"book","data":[]}', "other"),
        ('{"channel":"any text of theirs"}', "other"),
        ("{}", "other"),
    ],
)
def test_a_frame_without_trades_is_a_notice_of_a_bounded_kind(text: str, kind: str) -> None:
    """A metric's label does not grow with what the venue says; what that is called is told beside it."""
    found = receive(text)
    assert isinstance(found, Notice)
    assert found.kind == kind
    assert (found.detail == "") == (kind != "other" or text == "{}")


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        ("Exceeded msg rate", True),
        ("EService:Unavailable", True),
        ("Currency pair not supported BTC/USD", False),
        ("Symbol(s) not found", False),
    ],
)
@pytest.mark.parametrize("method", ["subscribe", "ping"])
def test_a_refusal_says_whether_it_may_pass(error: str, method: str, *, transient: bool) -> None:
    """Whatever it answers; a symbol that does not exist does not come to be."""
    text = json.dumps({"error": error, "method": method, "success": False, "symbol": "BTC/USD"})
    assert receive(text) == Refused(error, "BTC/USD", transient=transient)


def test_a_frame_that_is_no_utf8_is_unreadable() -> None:
    """Wherever the byte stands."""
    valid = frame(ROW).encode()
    for at in range(len(valid)):
        broken = valid[:at] + b"\xff" + valid[at + 1 :]
        assert isinstance(KrakenProtocol().receive(broken), Unreadable | TradesReceived | Notice)


def test_pairs_of_any_letters_are_read() -> None:
    """Tokenized stocks and pairs with a dot are pairs like any other."""
    for symbol in ("AAPLx/USD", "ETH2.S/ETH"):
        assert received(row(symbol=f'"{symbol}"')).symbol == symbol


def test_it_pings_and_leaves_symbols_in_krakens_words() -> None:
    """Both are requests with a method."""
    protocol = KrakenProtocol()
    assert json.loads(protocol.ping() or "")["method"] == "ping"
    (message,) = protocol.unsubscribe(["BTC/USD"])
    assert json.loads(message)["params"] == {"channel": "trade", "symbol": ["BTC/USD"]}
