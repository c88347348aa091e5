"""Kraken WebSocket v2: frames in, events out.

Facts: Kraken's API documentation, "WebSocket API v2: Trade" and "WebSocket API v2: Ping".
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from k2_shared.core.trade import Exchange, Side, Trade
from k2_shared.feed.venue import numbers
from k2_shared.feed.venue.protocol import BROKEN, OTHER, Event, Notice, Refused, Subscribed, TradesReceived, Unreadable

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIDES: Mapping[str, Side] = {"buy": "BUY", "sell": "SELL"}


class _TradeRow(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: Any  # a JSON number: msgspec's own decimal takes texts too
    qty: Any
    ord_type: str
    trade_id: int
    timestamp: str


class _Ack(msgspec.Struct):
    channel: str = ""
    symbol: str = ""
    snapshot: bool | None = None


class _Frame(msgspec.Struct):
    channel: str = ""
    method: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    result: _Ack | None = None
    success: bool | None = None
    error: str = ""
    symbol: str = ""


class _TradeFrame(msgspec.Struct, gc=False):
    """What nearly every frame is; read in one step."""

    channel: str
    data: list[_TradeRow]


_TRADES = msgspec.json.Decoder(_TradeFrame, float_hook=Decimal)
_FRAME = msgspec.json.Decoder(_Frame)
_ROWS = msgspec.json.Decoder(list[_TradeRow], float_hook=Decimal)
_TRADE_ID = b'"trade_id"'  # the key that each trade has once
_TRADE = b'"trade"'
_NO_SHAPE = "it may carry trades, and has not the shape of them"
_FINAL = ("not supported", "not found")  # in refusals that do not pass; any other may
_WORDS = 200  # characters of the venue's
_PING = json.dumps({"method": "ping", "req_id": 3})
_NOTICES = frozenset({"heartbeat", "status", "pong", "unsubscribe"})


class KrakenProtocol:
    """The protocol of one connection; v2 uses the canonical symbols as they are."""

    exchange: Exchange = "KRAKEN"

    def subscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """One message for all; Kraken acknowledges each. ``snapshot`` is always said: its default has changed."""
        params = {"channel": "trade", "symbol": list(symbols), "snapshot": True}
        return [json.dumps({"method": "subscribe", "params": params, "req_id": 1})]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """One message for all."""
        params = {"channel": "trade", "symbol": list(symbols)}
        return [json.dumps({"method": "unsubscribe", "params": params, "req_id": 2})]

    def ping(self) -> str | None:
        """The application's ping."""
        return _PING

    def receive(self, frame: bytes) -> Event:
        """Read one frame; updates and snapshots carry trades in the same shape, several in one frame."""
        try:
            likely = _TRADES.decode(frame)
            if likely.channel == "trade" and likely.data:
                return _received(frame, likely.data)
        except BROKEN:  # it carries no trades, or says below what is wrong with it
            return _other(frame)
        return _other(frame)


def _other(frame: bytes) -> Event:
    """Read a frame of any kind; what is broken says by what."""
    try:
        message = _FRAME.decode(frame)
        if message.channel == "trade":
            rows = _ROWS.decode(message.data)
            return _received(frame, rows) if rows or _TRADE_ID in frame else Notice("empty")
    except BROKEN as error:
        return Unreadable(f"{type(error).__name__}: {error}")
    if _TRADE_ID in frame:
        return Unreadable(_NO_SHAPE)
    if message.method == "subscribe":
        return _subscription(message)
    if message.error:
        return _refusal(message)
    kind = message.channel or message.method
    if kind in _NOTICES:
        return Notice(kind)
    return Unreadable(_NO_SHAPE) if _TRADE in frame else Notice(OTHER, kind)


def _received(frame: bytes, rows: Sequence[_TradeRow]) -> TradesReceived:
    if frame.count(_TRADE_ID) != len(rows):
        raise ValueError(f"of {frame.count(_TRADE_ID)} trades {len(rows)} can be read")
    return TradesReceived(tuple(map(_trade, rows)))


def _trade(row: _TradeRow) -> Trade:
    side, said = _SIDES[row.side], {"ord_type": row.ord_type}
    price, quantity = numbers.of_json(row.price), numbers.of_json(row.qty)
    return Trade("KRAKEN", row.symbol, row.trade_id, _microseconds(row.timestamp), price, quantity, side, said)


def _microseconds(rfc3339: str) -> int:
    """Microseconds since the epoch; further digits are truncated."""
    moment = datetime.fromisoformat(rfc3339)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {rfc3339!r} has no time zone")
    since = moment - _UNIX_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _subscription(message: _Frame) -> Event:
    """The echo decides, not the request: Kraken may confirm something else than was asked for."""
    ack = message.result
    if not message.success or ack is None:
        return _refusal(message)
    if ack.channel != "trade" or ack.snapshot is not True:
        return Refused(f"asked for trades with a snapshot, confirmed {ack.channel!r} with snapshot={ack.snapshot}")
    return Subscribed(frozenset({ack.symbol}))


def _refusal(message: _Frame) -> Refused:
    said = message.error[:_WORDS] or "no reason given"
    is_final = any(words in said for words in _FINAL)
    return Refused(said, message.symbol, transient=not is_final)
