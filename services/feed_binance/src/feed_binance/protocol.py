"""Binance spot streams, combined or raw: frames in, events out.

Facts: Binance's "WebSocket Streams" documentation.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from k2_shared.core.trade import Exchange, Side, Trade
from k2_shared.feed.venue import numbers
from k2_shared.feed.venue.protocol import (
    BROKEN,
    OTHER,
    SHUTDOWN,
    Event,
    Notice,
    Refused,
    Subscribed,
    TradesReceived,
    Unreadable,
)

_LIST_ID = 2
_STREAMS_A_MESSAGE = 200
# With timeUnit=MICROSECOND times have 16 digits, else 13; no trade is older than Binance.
FIRST_MICROSECOND_TIME = 10**14


class _TradeRow(msgspec.Struct, gc=False):
    """``@trade``: t id, p price, q quantity, T time, m buyer is maker, E event time, M best match."""

    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool
    E: int = 0
    M: bool | None = None


class _TradeFrame(msgspec.Struct, gc=False):
    """What nearly every frame is; read in one step."""

    stream: str
    data: _TradeRow


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Frame(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    id: int | None = None
    result: list[str] | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""
    e: str = ""


_TRADE = msgspec.json.Decoder(_TradeFrame)
_FRAME = msgspec.json.Decoder(_Frame)
_ROW = msgspec.json.Decoder(_TradeRow)
_STREAM = "@trade"
_TRADE_ID = b'"t"'  # the key that each trade has once
_MARKS = (_TRADE_ID, b'"trade"', b'@trade"')  # of what may carry a trade
_WORDS = 200  # characters of the venue's


class BinanceProtocol:
    """The protocol of one connection. ``pairs`` maps canonical symbols to Binance's (BTC/USDT: BTCUSDT)."""

    exchange: Exchange = "BINANCE"

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = pairs
        self._names: dict[str, str] = dict(pairs)
        self._symbols = {name: symbol for symbol, name in pairs.items()}

    def subscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """Subscribe, then ask what is subscribed: an unknown stream is acknowledged like any other."""
        self._names |= {symbol: self._pairs[symbol] for symbol in symbols}
        self._symbols |= {self._pairs[symbol]: symbol for symbol in symbols}
        return [*self._ask("SUBSCRIBE", symbols), json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": _LIST_ID})]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """End streams; trades that are on their way can still be read."""
        return self._ask("UNSUBSCRIBE", symbols)

    def ping(self) -> str | None:
        """Binance has none but the protocol's own."""
        return None

    def receive(self, frame: bytes) -> Event:
        """Read one frame, of a combined stream or a raw one."""
        try:
            likely = _TRADE.decode(frame)
            if likely.stream.endswith(_STREAM):
                return self._received(frame, likely.data, likely.stream)
        except BROKEN:  # it carries no trade, or says below what is wrong with it
            return self._other(frame)
        return self._other(frame)

    def _other(self, frame: bytes) -> Event:
        """Read a frame of any kind; what is broken says by what."""
        try:
            message = _FRAME.decode(frame)
            if message.stream.endswith(_STREAM):
                return self._received(frame, _ROW.decode(message.data), message.stream)
            if message.e == "trade":
                row = _ROW.decode(frame)
                return self._received(frame, row, _stream(row.s))
        except BROKEN as error:
            return Unreadable(f"{type(error).__name__}: {error}")
        return self._answer(message, frame)

    def _answer(self, message: _Frame, frame: bytes) -> Event:
        """What is no trade; a frame of no known shape that may carry one is none either."""
        if message.id == _LIST_ID and message.error is None and not any(mark in frame for mark in _MARKS[:2]):
            return Subscribed(self._confirmed(message.result or []))
        if any(mark in frame for mark in _MARKS):
            return Unreadable("it may carry a trade, and has not the shape of one")
        if message.error is not None:
            return Refused(f"{message.error.code} {message.error.msg}"[:_WORDS])
        if message.code is not None:
            return Refused(f"{message.code} {message.msg}"[:_WORDS])
        if message.id is not None:
            return Notice("ack")
        is_shutdown = message.e == SHUTDOWN or SHUTDOWN in message.stream
        return Notice(SHUTDOWN) if is_shutdown else Notice(OTHER, message.e or message.stream)

    def _received(self, frame: bytes, row: _TradeRow, stream: str) -> TradesReceived:
        if frame.count(_TRADE_ID) != 1:
            raise ValueError("it has a trade's keys more than once")
        if stream != _stream(row.s):
            raise ValueError(f"a trade of {row.s!r} in the stream {stream!r}")
        return TradesReceived((self._trade(row),))

    def _ask(self, method: str, symbols: Sequence[str]) -> list[str]:
        params = [self._stream(symbol) for symbol in symbols]
        parts = [params[start : start + _STREAMS_A_MESSAGE] for start in range(0, len(params), _STREAMS_A_MESSAGE)]
        return [json.dumps({"method": method, "params": part, "id": 1}) for part in parts]

    def _stream(self, symbol: str) -> str:
        """The stream of a symbol, also of one that is captured no more."""
        return _stream(self._names[symbol])

    def _confirmed(self, streams: Sequence[str]) -> frozenset[str]:
        return frozenset(symbol for symbol in self._names if self._stream(symbol) in streams)

    def _trade(self, row: _TradeRow) -> Trade:
        time_us = row.T if row.T >= FIRST_MICROSECOND_TIME else row.T * 1000
        price, quantity, said = numbers.of_text(row.p), numbers.of_text(row.q), _vendor_data(row)
        side: Side = "SELL" if row.m else "BUY"
        return Trade("BINANCE", self._symbols[row.s], row.t, time_us, price, quantity, side, said)


def _stream(name: str) -> str:
    return name.lower() + _STREAM


def _vendor_data(row: _TradeRow) -> Mapping[str, str]:
    if row.M is None:
        return {"event_time": str(row.E)}
    return {"event_time": str(row.E), "best_match": "true" if row.M else "false"}
