"""Binance's protocol: every frame shape of its documentation, and any other bytes."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from feed_binance.protocol import BinanceProtocol
from k2_shared.core.trade import Trade
from k2_shared.feed.venue.protocol import Notice, Refused, TradesReceived
from k2_support.conformance.mutated import Fact, MutationConformance
from k2_support.conformance.protocol import Json, ProtocolConformance, any_of

PAIRS = {"BTC/USDT": "BTCUSDT", "1INCH/USDT": "1INCHUSDT", "币安人生/USDT": "币安人生USDT"}
STREAMS = ["btcusdt@trade", "1inchusdt@trade", "币安人生usdt@trade"]
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
TRADE = Trade(
    exchange="BINANCE",
    symbol="BTC/USDT",
    trade_id=3735683259,
    timestamp=1723161255342000,
    price=Decimal("61837.63"),
    quantity=Decimal("0.02"),
    side="SELL",
    vendor_data={"event_time": "1723161255343", "best_match": "true"},
)


def frame(stream: str = "btcusdt@trade", **changes: Any) -> str:
    """A frame of the combined stream; a field that is None is left out."""
    data = {name: said for name, said in {**ROW, **changes}.items() if said is not None}
    return json.dumps({"stream": stream, "data": data}, ensure_ascii=False, separators=(",", ":"))


def reply(streams: list[str] | None) -> str:
    """The list of what is subscribed."""
    return json.dumps({"result": streams, "id": 2})


class TestBinance(ProtocolConformance, MutationConformance):
    """What holds for every venue, by Binance's frames."""

    symbols = tuple(PAIRS)
    documented = (
        (frame(), [TRADE]),
        (json.dumps(ROW), [TRADE]),
        (frame(m=False), [TRADE._replace(side="BUY")]),
        (frame(STREAMS[1], s="1INCHUSDT"), [TRADE._replace(symbol="1INCH/USDT")]),
        (frame(STREAMS[2], s="币安人生USDT"), [TRADE._replace(symbol="币安人生/USDT")]),
        (frame(T=1723161255342123), [TRADE._replace(timestamp=1723161255342123)]),
        (frame(M=None), [TRADE._replace(vendor_data={"event_time": "1723161255343"})]),
        (frame(M=False), [TRADE._replace(vendor_data={"event_time": "1723161255343", "best_match": "false"})]),
    )
    unreadable = (
        (frame(p=1.5), "Expected `str`"),
        (frame(t="7"), "Expected `int`"),
        (frame(t=None), "missing required field `t`"),
        (frame(s="DOGEUSDT"), "DOGEUSDT"),
        (frame(s="btcusdt"), "btcusdt"),
        (frame("1inchusdt@trade"), "a trade of 'BTCUSDT' in the stream '1inchusdt@trade'"),
        (frame("btcusdt@aggTrade"), "may carry a trade"),
        (frame(m="true"), "Expected `bool`"),
        (frame().replace("3735683259", "1" * 5000), "out of range"),
        ('{"stream":"btcusdt@trade"}', "Expected `object`"),
        ('{"stream":7}', "stream"),
        ('{"e":"trade","x":1}', "missing required field"),
        ('{"data":{"e":"trade","t":1}}', "may carry a trade"),
        ('{"id":1,"result":null,"data":{"e":"trade","t":1}}', "may carry a trade"),
        ('{"id":2,"result":[],"e":"trade"}', "missing required field"),
        ('{"stream":"btcusdt@trade","data":[]}', "Expected `object`"),
        (frame()[:-1] + ',"data":null}', "Expected `object`"),
        (frame().replace('"t":', '"t":1,"t":', 1), "more than once"),
        ('{"list":["btcusdt@trade"]}', "may carry a trade"),
        *((frame(p=text), "is no number") for text in (" 61000.1 ", "1" * 65)),
    )
    confirmed = (
        (reply(STREAMS), set(PAIRS)),
        (reply(["1inchusdt@trade", "dogeusdt@trade"]), {"1INCH/USDT"}),
        (reply(["btcusdt@aggTrade"]), set()),
        (reply([]), set()),
        (reply(None), set()),
    )
    refused = (
        *(
            (json.dumps({"error": {"code": 2, "msg": "Invalid request"}, "id": asked}), Refused("2 Invalid request"))
            for asked in (1, 2)
        ),
        ('{"code":2,"msg":"Invalid request: too many"}', Refused("2 Invalid request: too many")),
    )
    pong = None
    noticed = (
        ('{"result":null,"id":1}', Notice("ack")),
        ('{"e":"serverShutdown","E":1770123456789}', Notice("serverShutdown")),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', Notice("serverShutdown")),
        ('{"stream":"btcusdt@aggTrade","data":{}}', Notice("other", "btcusdt@aggTrade")),
        ('{"e":"any text of theirs"}', Notice("other", "any text of theirs")),
    )
    subscribing = (
        {"method": "SUBSCRIBE", "params": STREAMS, "id": 1},
        {"method": "LIST_SUBSCRIPTIONS", "id": 2},  # an unknown stream is acknowledged like any other
    )
    unsubscribing = ({"method": "UNSUBSCRIBE", "params": STREAMS, "id": 1},)
    messages = any_of(
        {
            "stream": st.just("btcusdt@trade"),
            "data": st.fixed_dictionaries({}, optional={name: st.just(said) | Json for name, said in ROW.items()}),
            "id": st.sampled_from([1, 2]),
            "result": st.lists(st.just("btcusdt@trade")),
            "error": st.fixed_dictionaries({}, optional={"code": Json, "msg": Json}),
            "e": st.just("trade"),
        }
    )
    trade_id_key = "t"
    mutable = (frame(), json.dumps(ROW, separators=(",", ":")), frame(STREAMS[2], s="币安人生USDT"))

    def protocol(self) -> BinanceProtocol:
        """It knows the names of what it has subscribed to."""
        protocol = BinanceProtocol(PAIRS)
        protocol.subscribe(self.symbols)
        return protocol

    def amount(self, text: str) -> str:
        """A JSON text."""
        return json.dumps(text)

    def frame(self, price: str | None = None, quantity: str | None = None) -> str:
        """A frame of the combined stream."""
        text = frame()
        for said, other in (("61837.63000000", price), ("0.02000000", quantity)):
            text = text if other is None else text.replace(f'"{said}"', other)
        return text

    def refusal(self, words: str) -> str:
        """A flat error, as documented beside the nested one."""
        return json.dumps({"code": 3, "msg": words})

    def fact(self, row: Mapping[str, Any]) -> Fact:
        """By Binance's names."""
        symbol = {name: symbol for symbol, name in PAIRS.items()}[row["s"]]
        return symbol, row["t"], Decimal(row["p"]), Decimal(row["q"]), "SELL" if row["m"] else "BUY"

    def says_trade(self, said: Mapping[str, Any]) -> bool:
        """By its event or its stream."""
        return said.get("e") == "trade" or str(said.get("stream")).endswith("@trade")


def test_a_trade_has_one_identity_on_every_connection() -> None:
    """E differs per connection and stays out of it."""
    one, other = TestBinance().received(frame()), TestBinance().received(frame(E=1723161255999))
    assert (other.message_id, other.timestamp) == (one.message_id, one.timestamp)
    assert other.vendor_data != one.vendor_data


def test_many_symbols_are_asked_for_in_several_messages() -> None:
    """At most five messages a second, and none of any size."""
    pairs = {f"A{number}/USDT": f"A{number}USDT" for number in range(450)}
    *asked, listed = BinanceProtocol(pairs).subscribe(list(pairs))
    assert [len(json.loads(message)["params"]) for message in asked] == [200, 200, 50]
    assert "LIST_SUBSCRIPTIONS" in listed


def test_a_symbol_that_is_no_longer_of_the_pairs_can_be_left_and_read() -> None:
    """Trades that were on their way when it was unsubscribed are no garbage."""
    pairs = dict(PAIRS)
    protocol = BinanceProtocol(pairs)
    protocol.subscribe(list(pairs))
    del pairs["BTC/USDT"]
    (message,) = protocol.unsubscribe(["BTC/USDT"])
    assert json.loads(message)["params"] == ["btcusdt@trade"]
    assert isinstance(protocol.receive(frame().encode()), TradesReceived)
