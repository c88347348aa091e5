"""Symbols, and sockets of symbols, that have been quiet for long: heartbeats say nothing about them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol


class Staleness:
    """Finds symbols whose highest id has not moved for long; ``clock`` is in seconds. Heartbeats do not count."""

    def __init__(self, after_s: float, clock: Callable[[], float]) -> None:
        self._after_s, self._clock = after_s, clock
        self._moved: dict[str, tuple[int, float]] = {}

    def look(self, highs: Mapping[str, int]) -> list[str]:
        """The symbols whose highest id has not moved for too long, to be asked about."""
        now = self._clock()
        self._moved = {
            symbol: seen if (seen := self._moved.get(symbol)) and seen[0] == high else (high, now)
            for symbol, high in highs.items()
        }
        return [symbol for symbol, (_, since) in self._moved.items() if now - since >= self._after_s]

    def quiet(self, symbol: str) -> None:
        """Note that the venue has nothing newer: the symbol is asked about again after as long."""
        if symbol in self._moved:
            self._moved[symbol] = (self._moved[symbol][0], self._clock())

    def at_once(self, symbols: Iterable[str]) -> None:
        """Ask about symbols at the next look, as after a start."""
        for symbol in symbols:
            high, _ = self._moved.get(symbol, (0, 0.0))
            self._moved[symbol] = (high, self._clock() - self._after_s)


class ConnectionView(Protocol):
    """What is needed to know of a connection."""

    @property
    def id(self) -> int:
        """The number of the connection."""

    @property
    def last(self) -> Mapping[str, int]:
        """The newest id of each symbol that it brought."""

    @property
    def confirmed(self) -> Iterable[str]:
        """The symbols that it is subscribed to."""


class Laggards:
    """Finds connections that bring nothing of a symbol to which they are subscribed, while others do."""

    def __init__(self, after_s: float, clock: Callable[[], float]) -> None:
        self._after_s, self._clock = after_s, clock
        self._seen: dict[tuple[int, str], tuple[int | None, int, float]] = {}

    def look(self, connections: Collection[ConnectionView]) -> list[tuple[int, str]]:
        """The numbers of the connections that lag, each with a symbol; trades by REST do not count."""
        now, seen, found = self._clock(), dict[tuple[int, str], tuple[int | None, int, float]](), []
        highs: dict[str, int] = {}
        for connection in connections:
            highs |= {symbol: last for symbol, last in connection.last.items() if last > highs.get(symbol, 0)}
        for connection in connections:
            for symbol in connection.confirmed:
                last, high = connection.last.get(symbol), highs.get(symbol, 0)
                before = self._seen.get((connection.id, symbol))
                is_same = before is not None and before[0] == last
                seen[connection.id, symbol] = since = before if before and is_same else (last, high, now)
                if high > since[1] and now - since[2] >= self._after_s:
                    found.append((connection.id, symbol))
        self._seen = seen
        return found
