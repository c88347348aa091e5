"""Kraken's WebSocket v2, sans I/O: trades to frames and requests to replies.

Sources: https://docs.kraken.com/api/docs/websocket-v2/trade, /status, /heartbeat and /ping.
"""

import json
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from exchange_sim.model import Instrument, Side, Trade
from exchange_sim.replies import Reply

HEARTBEAT = '{"channel":"heartbeat"}'
SNAPSHOT_TRADES = 50
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_SIDES: dict[str, Side] = {"b": "buy", "s": "sell"}
_ORD_TYPES = {"l": "limit", "m": "market"}
_LETTERS = {"buy": "b", "sell": "s", "limit": "l", "market": "m"}


def parse(line: str) -> tuple[str, Trade]:
    """Read a REST row ``[price, volume, time s, b|s, l|m, misc, trade_id]``; it names no symbol."""
    price, qty, time_s, side, ord_type, _misc, trade_id = json.loads(line, parse_float=str, parse_int=str)
    for text in (price, qty):
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} is not a decimal")
    time_ns = int(Decimal(time_s) * 1_000_000_000)
    return "", Trade(
        trade_id=int(trade_id),
        price=price,
        qty=qty,
        side=_SIDES[side],
        ord_type=_ORD_TYPES[ord_type],
        time_ns=time_ns,
        event_ns=time_ns,
        pace_ns=time_ns,
        text=line,
    )


def group(trades: Sequence[Trade]) -> Iterable[range]:
    """Trades of equal time share an update, as one taker's fills do ("multiple trades may be batched")."""
    first = 0
    for _, alike in groupby(trades, key=lambda trade: trade.time_ns // 1_000):
        size = sum(1 for _ in alike)
        yield range(first, first + size)
        first += size


def frame(instrument: Instrument, trades: Sequence[Trade]) -> str:
    """The update that carries ``trades``; numbers keep the digits of the recorded text."""
    return _message("update", instrument, trades)


def snapshot(instrument: Instrument, trades: Sequence[Trade]) -> str:
    """The snapshot that carries ``trades``, in the shape of an update."""
    return _message("snapshot", instrument, trades)


def status(connection: int, system: str) -> str:
    """The status message; ``system`` is online, maintenance, cancel_only or post_only."""
    said = {"api_version": "v2", "connection_id": connection, "system": system, "version": "2.0.0"}
    return _dumps({"channel": "status", "data": [said], "type": "update"})


def rewrite(trade: Trade) -> Trade:
    """The trade with its REST row made anew from its fields."""
    whole, ns = divmod(trade.time_ns, 1_000_000_000)
    time_s = f"{whole}.{ns:09d}".rstrip("0")
    side, ord_type = _LETTERS[trade.side], _LETTERS[trade.ord_type]
    row = f'["{trade.price}","{trade.qty}",{time_s},"{side}","{ord_type}","",{trade.trade_id}]'
    return replace(trade, text=row.replace(".,", ".0,"))


def rfc3339(time_ns: int) -> str:
    """Time as Kraken's socket writes it: UTC, truncated to microseconds."""
    seconds, ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1_000:06d}Z"


def _message(kind: str, instrument: Instrument, trades: Sequence[Trade]) -> str:
    data = ",".join(_entry(instrument.symbol, trade) for trade in trades)
    return f'{{"channel":"trade","type":"{kind}","data":[{data}]}}'


def _entry(symbol: str, trade: Trade) -> str:
    # a float would lose digits, so the number is the text itself
    return (
        f'{{"symbol":"{symbol}","side":"{trade.side}","price":{trade.price},"qty":{trade.qty},'
        f'"ord_type":"{trade.ord_type}","trade_id":{trade.trade_id},"timestamp":"{rfc3339(trade.time_ns)}"}}'
    )


class Dialog:
    """One connection's side of the protocol: what it is subscribed to, and what it is told."""

    def __init__(self, traded: Iterable[str], listed: Iterable[str] = ()) -> None:
        self._traded = frozenset(traded)
        self._known = self._traded | frozenset(listed)
        self._subscribed: set[str] = set()

    def greet(self, connection: int, system: str = "online") -> list[Reply]:
        """What the server says first."""
        return [Reply(status(connection, system))]

    @property
    def form(self) -> Hashable:
        """Which connections get the same bytes: all."""
        return "v2"

    def forget(self, symbols: Iterable[str]) -> None:
        """Undo the subscription to these symbols: its ack was lost or wrong."""
        self._subscribed.difference_update(symbols)

    def render(self, payload: str) -> str:
        """A trade frame as this connection gets it: as it is."""
        return payload

    def receive(self, text: str, now_ns: int) -> list[Reply]:
        """Answer one request; an answer per symbol."""
        try:
            request = json.loads(text)
        except ValueError:
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
            return [_refuse({}, now_ns, "Malformed request")]
        match request.get("method"):
            case "ping":
                return [_acknowledge(request, now_ns, {"method": "pong"})]
            case "subscribe" | "unsubscribe" as method:
                return self._each(method, request, now_ns)
            case _:
                return [_refuse(request, now_ns, "Unsupported method")]

    def _each(self, method: str, request: dict[str, Any], now_ns: int) -> list[Reply]:
        params = request.get("params", {})
        symbols = params.get("symbol")
        if params.get("channel") != "trade":
            return [_refuse(request, now_ns, "Channel not supported")]
        if not isinstance(symbols, list) or not symbols:
            return [_refuse(request, now_ns, "Symbol(s) not found")]
        change = self._subscribe if method == "subscribe" else self._unsubscribe
        return [change(str(symbol), request, now_ns) for symbol in symbols]

    def _subscribe(self, symbol: str, request: dict[str, Any], now_ns: int) -> Reply:
        if symbol not in self._known:
            return _refuse(request, now_ns, f"Currency pair not supported {symbol}", symbol)
        if symbol in self._subscribed:
            return _refuse(request, now_ns, "Already subscribed", symbol)
        self._subscribed.add(symbol)
        # the documented default of `snapshot` is false: it has been true
        wanted = request["params"].get("snapshot", False) is True
        result = {"channel": "trade", "snapshot": wanted, "symbol": symbol}
        ack = _acknowledge(request, now_ns, {"method": "subscribe", "result": result, "success": True})
        return replace(ack, joins=self._feeds(symbol), snapshot=wanted)

    def _unsubscribe(self, symbol: str, request: dict[str, Any], now_ns: int) -> Reply:
        if symbol not in self._subscribed:
            return _refuse(request, now_ns, "Subscription Not Found", symbol)
        self._subscribed.discard(symbol)
        result = {"channel": "trade", "symbol": symbol}
        ack = _acknowledge(request, now_ns, {"method": "unsubscribe", "result": result, "success": True})
        return replace(ack, leaves=self._feeds(symbol))

    def _feeds(self, symbol: str) -> tuple[str, ...]:
        """The symbols to subscribe to; none for a pair that is only listed."""
        return (symbol,) if symbol in self._traded else ()


def _refuse(request: dict[str, Any], now_ns: int, error: str, symbol: str | None = None) -> Reply:
    body: dict[str, Any] = {
        "error": error,
        "method": request.get("method"),
        "success": False,
        "symbol": symbol,
    }
    return _acknowledge(request, now_ns, {key: value for key, value in body.items() if value is not None})


def _acknowledge(request: dict[str, Any], now_ns: int, body: dict[str, Any]) -> Reply:
    stamped = {**body, "time_in": rfc3339(now_ns), "time_out": rfc3339(now_ns)}
    if "req_id" in request:
        stamped["req_id"] = request["req_id"]
    return Reply(_dumps(stamped))


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
