"""Symbols that have been quiet for long: only a trade, or the venue's own word, says that all is well."""

from collections.abc import Callable, Iterable, Mapping


class Staleness:
    """Follows each symbol's highest id; ``clock`` is in seconds. Heartbeats are not seen here at all."""

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
        """The venue has nothing newer either: ask again after as long."""
        if symbol in self._moved:
            self._moved[symbol] = (self._moved[symbol][0], self._clock())

    def at_once(self, symbols: Iterable[str]) -> None:
        """Ask about symbols at the next look, as after a start."""
        for symbol in symbols:
            high, _ = self._moved.get(symbol, (0, 0.0))
            self._moved[symbol] = (high, self._clock() - self._after_s)
