"""Symbols of which the venue had trades that no socket brought, until a socket brings trades again."""

from collections.abc import Container, Iterable

from k2_shared.feed.coverage.staleness import ConnectionView


class SilentSymbols:
    """Holds a symbol until one connection has brought two ids of it: a single one may be of an old snapshot."""

    def __init__(self) -> None:
        self._symbols: dict[str, dict[int, int]] = {}  # the first id seen of each socket, by the socket's number

    def note(self, symbol: str) -> None:
        """Add a symbol of which the venue has trades that no connection brought."""
        self._symbols.setdefault(symbol, {})

    def look(self, connections: Iterable[ConnectionView], captured: Container[str]) -> set[str]:
        """The captured symbols that are still silent."""
        now = list(connections)
        for symbol, seen in list(self._symbols.items()):
            if symbol not in captured or _speaks(symbol, seen, now):
                del self._symbols[symbol]
        return set(self._symbols)


def _speaks(symbol: str, seen: dict[int, int], connections: Iterable[ConnectionView]) -> bool:
    """Whether some socket has brought another id than the first that was seen of it."""
    brought = {connection.id: connection.last[symbol] for connection in connections if symbol in connection.last}
    return any(seen.setdefault(number, last) != last for number, last in brought.items())
