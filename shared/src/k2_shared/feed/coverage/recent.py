"""The most recent trades of each symbol, by which copies from another socket are recognised; bounded."""

from collections.abc import Iterable
from zlib import crc32

from k2_shared.core.trade import Trade

MOST = 32_768
"""Trades in the windows that symbols have alone, and as many in the one that the others share: 0.7 KB each."""

Seen = list[tuple[Trade, int] | None]


class RecentTrades:
    """The last trades of one symbol and the sockets that brought them, in a window whose size is a power of two.

    In a shared window each symbol begins at another place, and the trades of all symbols push each other out.
    """

    def __init__(self, seen: Seen, offset: int = 0) -> None:
        self._seen, self._mask = seen, len(seen) - 1
        self._offset = offset

    def note(self, trades: Iterable[Trade], connection: int) -> None:
        """Keep trades that a socket brought; those that stood in the same places of the window are forgotten."""
        seen, mask, offset = self._seen, self._mask, self._offset
        for trade in trades:
            seen[(trade.trade_id + offset) & mask] = (trade, connection)

    def is_copy(self, trade: Trade, connection: int) -> bool:
        """Whether another socket has brought the same trade with equal price, quantity and side."""
        seen = self._seen[(trade.trade_id + self._offset) & self._mask]
        if seen is None or seen[1] == connection:
            return False
        first = seen[0]
        return (
            first.trade_id == trade.trade_id
            and first.symbol == trade.symbol
            and first.price == trade.price
            and first.quantity == trade.quantity
            and first.side == trade.side
        )


class RecentWindows:
    """The windows of all symbols: one of ``size`` for each of the first symbols, and one for all that come after."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._shared: Seen = []

    def window(self, symbol: str, others: int) -> RecentTrades:
        """The window of a new symbol; ``others`` is the number of symbols before it."""
        if (others + 1) * self._size <= MOST:
            return RecentTrades([None] * self._size)
        if not self._shared:
            self._shared = [None] * max(MOST, self._size)
        return RecentTrades(self._shared, crc32(symbol.encode()))
