"""Copies of one trade from several sockets, recognised inside a bounded window."""

from collections.abc import Iterable

from k2_shared.trade import Trade


class Copies:
    """The last trades of one symbol and the sockets that brought them; ``size`` is a power of two."""

    def __init__(self, size: int) -> None:
        self._mask = size - 1
        self._seen: list[tuple[Trade, int] | None] = [None] * size

    def note(self, trades: Iterable[Trade], connection: int) -> None:
        """A socket brought trades; others of the same places in the window are forgotten."""
        seen, mask = self._seen, self._mask
        for trade in trades:
            seen[trade.trade_id & mask] = (trade, connection)

    def is_copy(self, trade: Trade, connection: int) -> bool:
        """Whether another socket has brought the same trade with equal price, quantity and side."""
        seen = self._seen[trade.trade_id & self._mask]
        if seen is None or seen[1] == connection:
            return False
        first = seen[0]
        return (
            first.trade_id == trade.trade_id
            and first.price == trade.price
            and first.quantity == trade.quantity
            and first.side == trade.side
        )
