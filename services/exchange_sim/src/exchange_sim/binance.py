"""Binance's spot streams, sans I/O: trades to frames and requests to replies.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams.
"""

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from exchange_sim.model import Instrument, Trade
from exchange_sim.replies import Reply

MAX_STREAMS = 1_024
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_FIELD = re.compile(r'"([EtpqT])":("?)(-?[\d.]+)')
_TIME = re.compile(r'"([ET])":(-?\d+)')
_MICROS_FROM = 10**14  # milliseconds reach it in the year 5138, microseconds did in 1973


def parse(line: str) -> tuple[str, Trade]:
    """Read ``<receive time, ns> <combined-stream frame>``; the frame stays verbatim as the trade's text."""
    received, _, text = line.partition(" ")
    outer = json.loads(text)
    data = outer["data"]
    native, time = str(data["s"]), int(data["T"])
    if outer["stream"] != stream(native) or data["e"] != "trade":
        raise ValueError(f"not a @trade frame: {outer['stream']!r}")
    for decimal in (data["p"], data["q"]):
        if not _DECIMAL.fullmatch(decimal):
            raise ValueError(f"{decimal!r} is not a decimal")
    return native, Trade(
        trade_id=int(data["t"]),
        price=data["p"],
        qty=data["q"],
        side="sell" if data["m"] else "buy",  # m: the buyer is the maker
        ord_type="",
        time_ns=_ns(time),
        event_ns=_ns(int(data["E"])),
        pace_ns=int(received),
        text=text,
    )


def stream(native: str) -> str:
    """The trade stream's name: symbols of streams are in lower case."""
    return f"{native.lower()}@trade"


def group(trades: Sequence[Trade]) -> Iterable[range]:
    """Every trade has a frame of its own."""
    return (range(index, index + 1) for index in range(len(trades)))


def frame(_instrument: Instrument, trades: Sequence[Trade]) -> str:
    """The combined-stream frame of one trade: its text."""
    return trades[0].text


def server_shutdown(now_ns: int) -> str:
    """The event that announces the end of a connection, in the combined form."""
    return f'{{"stream":"!serverShutdown","data":{{"e":"serverShutdown","E":{now_ns // 1_000_000}}}}}'


def rewrite(trade: Trade) -> Trade:
    """The trade with its frame made anew from its fields, every other byte kept."""
    fields = {"t": str(trade.trade_id), "p": trade.price, "q": trade.qty}
    times = {"T": trade.time_ns, "E": trade.event_ns}
    return replace(trade, text=_FIELD.sub(partial(_edit, fields, times), trade.text))


def _edit(fields: Mapping[str, str], times: Mapping[str, int], found: re.Match[str]) -> str:
    name, quote, old = found.groups()
    new = fields.get(name) or str(times[name] // (1_000 if int(old) >= _MICROS_FROM else 1_000_000))
    return f'"{name}":{quote}{new}'


def _ns(stamp: int) -> int:
    return stamp * (1_000 if stamp >= _MICROS_FROM else 1_000_000)


def in_unit(payload: str, *, micros: bool) -> str:
    """The frame with its times in the unit asked for; verbatim when they are so already."""
    return _TIME.sub(partial(_convert, micros), payload)


def _convert(micros: bool, found: re.Match[str]) -> str:
    name, stamp = found[1], int(found[2])
    if micros == (stamp >= _MICROS_FROM):
        return found[0]
    return f'"{name}":{stamp * 1_000 if micros else stamp // 1_000}'


class Dialog:
    """One connection's side of the protocol: its streams, its envelope and its unit of time."""

    def __init__(self, instruments: Iterable[Instrument], *, combined: bool, micros: bool) -> None:
        self._known = {stream(each.native): each.symbol for each in instruments}
        self._combined = combined
        self._micros = micros
        self._streams: dict[str, None] = {}

    def open(self, streams: Iterable[str]) -> Reply:
        """Subscribe to the streams that the URL names; no answer is sent."""
        return Reply("", joins=self._add([name for name in streams if name]))

    def render(self, payload: str) -> str:
        """A recorded frame as this connection gets it."""
        text = in_unit(payload, micros=self._micros)
        return text if self._combined else text[text.index('"data":') + len('"data":') : -1]

    @property
    def form(self) -> Hashable:
        """Which connections get the same bytes: those of one envelope and one unit of time."""
        return self._combined, self._micros

    def forget(self, symbols: Iterable[str]) -> None:
        """Undo the subscription to these symbols: its ack was lost or wrong."""
        gone = set(symbols)
        self._remove([name for name in self._streams if self._known.get(name) in gone])

    def receive(self, text: str, _now_ns: int) -> list[Reply]:
        """Answer one request; an unknown stream is accepted without an error, as Binance does."""
        try:
            request = json.loads(text)
        except ValueError as error:
            return [_error(None, 3, f"Invalid JSON: {error}")]
        if not isinstance(request, dict) or "method" not in request:
            return [_error(None, 2, "Invalid request: missing field `method`")]
        return [self._answer(request)]

    def _answer(self, request: dict[str, Any]) -> Reply:
        method, params, number = request["method"], request.get("params") or [], request.get("id")
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            return _error(number, 2, f"Invalid request: unknown variant `{method}`, expected one of {expected}")
        if not isinstance(params, list):
            return _error(number, 2, "Invalid request: params must be an array")
        match method:
            case "SUBSCRIBE":
                return self._subscribe(params, number)
            case "UNSUBSCRIBE":
                return replace(_result(number, None), leaves=self._remove(params))
            case "LIST_SUBSCRIPTIONS":
                return _result(number, list(self._streams))
            case _:
                return self._property(method, params, number)

    def _subscribe(self, params: list[Any], number: object) -> Reply:
        if len({*self._streams, *map(str, params)}) > MAX_STREAMS:
            return _error(number, 2, "Invalid request: too many parameters")
        return replace(_result(number, None), joins=self._add(params))

    def _property(self, method: str, params: list[Any], number: object) -> Reply:
        if params[:1] != ["combined"]:
            return _error(number, 0, "Unknown property")
        if method == "GET_PROPERTY":
            return _result(number, self._combined)
        if not isinstance(params[-1], bool):
            return _error(number, 1, "Invalid value type: expected Boolean")
        self._combined = params[-1]
        return _result(number, None)

    def _add(self, names: Iterable[object]) -> tuple[str, ...]:
        fresh = [name for name in map(str, names) if name not in self._streams]
        self._streams.update(dict.fromkeys(fresh))
        return tuple(self._known[name] for name in dict.fromkeys(fresh) if name in self._known)

    def _remove(self, names: Iterable[object]) -> tuple[str, ...]:
        gone = [name for name in dict.fromkeys(map(str, names)) if name in self._streams]
        for name in gone:
            del self._streams[name]
        return tuple(self._known[name] for name in gone if name in self._known)


def _result(number: object, result: object) -> Reply:
    return Reply(json.dumps({"result": result, "id": number}, separators=(",", ":")))


def _error(number: object, code: int, msg: str) -> Reply:
    body = {"error": {"code": code, "msg": msg}, "id": number}
    return Reply(json.dumps(body, separators=(",", ":")))
