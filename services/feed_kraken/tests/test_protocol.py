"""Kraken's protocol: every frame shape of its documentation, and any other bytes."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st

from feed_kraken.protocol import KrakenProtocol
from k2_shared.core.trade import Trade
from k2_shared.feed.venue.protocol import Notice, Refused
from k2_support.conformance.mutated import Fact, MutationConformance
from k2_support.conformance.protocol import Json, ProtocolConformance, any_of

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
ACK: dict[str, Any] = {
    "method": "subscribe",
    "result": {"channel": "trade", "snapshot": True, "symbol": "BTC/USDT"},
    "success": True,
    "time_in": "2025-07-23T04:41:46.919844Z",
    "time_out": "2025-07-23T04:41:46.919944Z",
    "req_id": 1,
}


def frame(*rows: str, kind: str = "update") -> str:
    """A frame of these rows."""
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}'


def row(**changes: str) -> str:
    """The row with fields replaced by raw JSON text."""
    fields = {name: json.dumps(said) for name, said in json.loads(ROW, parse_float=str).items()}
    fields.update(price="118832.9", qty="0.00409283")
    return "{" + ",".join(f'"{name}":{text}' for name, text in {**fields, **changes}.items()) + "}"


def ack(**changes: Any) -> str:
    """An acknowledgement of other content."""
    return json.dumps({**ACK, **changes})


def refusal(error: str, method: str = "subscribe") -> str:
    """An error reply, as documented: without a result."""
    return json.dumps({"error": error, "method": method, "success": False, "symbol": "BTC/USD"})


class TestKraken(ProtocolConformance, MutationConformance):
    """What holds for every venue, by Kraken's frames."""

    symbols = ("BTC/USDT", "AAPLx/USD")
    documented = (
        (frame(ROW), [TRADE]),
        (frame(ROW, kind="snapshot"), [TRADE]),
        (
            frame(ROW, row(trade_id="9622657", side='"sell"'), ROW),
            [TRADE, TRADE._replace(trade_id=9622657, side="SELL"), TRADE],
        ),
        (
            frame(row(symbol='"AAPLx/USD"'), row(symbol='"ETH2.S/ETH"', ord_type='"limit"'), kind="snapshot"),
            [
                TRADE._replace(symbol="AAPLx/USD"),
                TRADE._replace(symbol="ETH2.S/ETH", vendor_data={"ord_type": "limit"}),
            ],
        ),
    )
    unreadable = (
        (frame(row(timestamp='"2025-07-23T04:41:46.919844"')), "has no time zone"),
        (frame(row(timestamp='"yesterday"')), "Invalid isoformat"),
        (frame(row(timestamp='"2025-13-01T00:00:00Z"')), "month"),
        (frame(row(price='"118832.9"')), "'118832.9' is no number"),
        (frame(row(price="1e99999999999999999999")), "InvalidOperation"),
        (frame(ROW)[:-1] + ',"data":[]}', "of 1 trades 0 can be read"),
        (frame(ROW)[:-1] + f',"data":[{ROW},{ROW}]}}', "of 3 trades 2 can be read"),
        ('{"channel":"trades","data":[' + ROW + "]}", "may carry trades"),
        ('{"method":"subscribe","success":true,"trade_id":1}', "may carry trades"),
        (frame(row(side='"hold"')), "side"),
        (frame(ROW, row(side='"hold"')), "side"),
        (frame(row(trade_id='"7"')), "trade_id"),
        (frame(row(trade_id="1.5")), "trade_id"),
        (frame(row(trade_id="1" * 5000)), "out of range"),
        (frame('{"symbol":"BTC/USD"}'), "missing required field"),
        ('{"channel":"trade","data":{}}', "Expected `array`"),
        ('{"channel":"trade"}', "Expected `array`"),
        ('{"channel":7}', "channel"),
    )
    confirmed = (
        (ack(), {"BTC/USDT"}),
        (ack(result={**ACK["result"], "warnings": ["snapshot is deprecated"]}), {"BTC/USDT"}),
    )
    refused = (
        *((refusal(said), Refused(said, "BTC/USD", transient=True)) for said in ("Exceeded msg rate", "EService:Busy")),
        (refusal("Exceeded msg rate", "ping"), Refused("Exceeded msg rate", "BTC/USD", transient=True)),
        (refusal("Symbol(s) not found", "ping"), Refused("Symbol(s) not found", "BTC/USD")),
        *(
            (refusal(said), Refused(said, "BTC/USD"))
            for said in ("Currency pair not supported BTC/USD", "Symbol(s) not found")
        ),
    )
    pong = '{"method":"pong","req_id":101,"time_in":"x","time_out":"y"}'
    noticed = (
        ('{"channel":"heartbeat"}', Notice("heartbeat")),
        ('{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.9"}]}', Notice("status")),
        ('{"channel":"status","type":"update","data":[{"system":"post_only"}]}', Notice("status")),
        ('{"method":"unsubscribe","success":true,"result":{"channel":"trade"}}', Notice("unsubscribe")),
        (frame(), Notice("empty")),
        ('{"channel":"book","data":[]}', Notice("other", "book")),
        ('{"channel":"any text of theirs"}', Notice("other", "any text of theirs")),
    )
    subscribing = (
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": list(symbols), "snapshot": True},
            "req_id": 1,
        },
    )
    unsubscribing = ({"method": "unsubscribe", "params": {"channel": "trade", "symbol": list(symbols)}, "req_id": 2},)
    messages = any_of(
        {
            "channel": st.sampled_from(["trade", "status", "heartbeat"]),
            "method": st.sampled_from(["subscribe", "pong"]),
            "data": st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(json.loads(ROW), Json))),
            "result": st.fixed_dictionaries({}, optional={"channel": Json, "snapshot": Json, "symbol": Json}),
            "success": st.booleans(),
            "error": st.text(),
        }
    )
    trade_id_key = "trade_id"
    mutable = (frame(ROW), frame(ROW, row(symbol='"AAPLx/USD"', trade_id="7"), kind="snapshot"))

    def protocol(self) -> KrakenProtocol:
        """Kraken's keeps nothing of a subscription."""
        return KrakenProtocol()

    def amount(self, text: str) -> str:
        """A JSON number."""
        return text

    def frame(self, price: str | None = None, quantity: str | None = None) -> str:
        """An update of one trade."""
        said = {"price": price, "qty": quantity}
        return frame(row(**{name: text for name, text in said.items() if text is not None}))

    def refusal(self, words: str) -> str:
        """An error reply."""
        return refusal(words)

    def fact(self, row: Mapping[str, Any]) -> Fact:
        """By Kraken's names."""
        return row["symbol"], row["trade_id"], Decimal(row["price"]), Decimal(row["qty"]), row["side"].upper()

    def says_trade(self, said: Mapping[str, Any]) -> bool:
        """By its channel, unless it is empty."""
        return said.get("channel") == "trade" and "data" in said and said["data"] != []


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
    assert TestKraken().received(frame(row(timestamp=f'"{text}"'))).timestamp == microseconds


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
    event = KrakenProtocol().receive(ack(**changes).encode())
    assert isinstance(event, Refused)
    assert said in event.message


def test_it_pings_by_a_request() -> None:
    """One with a method."""
    assert json.loads(KrakenProtocol().ping() or "")["method"] == "ping"
