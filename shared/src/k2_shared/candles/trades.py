"""A batch of gold's trades as columns, and their order."""

from dataclasses import dataclass

import numpy as np

from k2_shared.candles.wide import MOST_ROWS, UNSCALED_LIMIT
from k2_shared.core.errors import Halt
from k2_shared.core.layout import Flags, Longs

MOST_KEYS = 2**16
"""Of a fold; numbers below it are sorted by radix, in a tenth of the time that any others take."""


@dataclass(frozen=True, slots=True)
class GoldTrades:
    """Trades in any order, a row each in columns of int64; gold has each of them at one offset.

    ``key`` numbers the (exchange, symbol), from 0 up and the same as long as a fold lives; ``timestamp`` is the
    exchange's in microseconds; ``trade_id`` the source sequence, or where that is null the trade id, which it equals;
    ``price`` and ``quantity`` are unscaled (10^-8); ``offset`` is that in the partition of gold that has the key.
    """

    key: Longs
    timestamp: Longs
    trade_id: Longs
    price: Longs
    quantity: Longs
    offset: Longs

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: Longs | Flags) -> "GoldTrades":
        """Some of the rows, in the order in which they are asked for."""
        every = (self.key, self.timestamp, self.trade_id, self.price, self.quantity, self.offset)
        return GoldTrades(*(column[rows] for column in every))


def ordered(trades: GoldTrades) -> GoldTrades:
    """Sort trades by key, timestamp and id; of those that are one record of gold one remains.

    Raises:
        Halt: a number is out of the bounds within which candles are exact.
    """
    _check(trades)
    found = trades.take(np.argsort(trades.key.astype(np.uint16), kind="stable"))
    if _ascends(found):
        return found
    found = found.take(np.lexsort((found.offset, found.trade_id, found.timestamp, found.key)))
    repeats = (found.key[1:] == found.key[:-1]) & (found.offset[1:] == found.offset[:-1])
    return found.take(np.concatenate([[True], ~repeats]))


def _ascends(trades: GoldTrades) -> bool:
    """Whether each trade comes after the one before it, which no repeat does."""
    at, trade_id = trades.timestamp, trades.trade_id
    later = (at[1:] > at[:-1]) | ((at[1:] == at[:-1]) & (trade_id[1:] > trade_id[:-1]))
    return bool((later | (trades.key[1:] != trades.key[:-1])).all())


def _check(trades: GoldTrades) -> None:
    if len(trades) > MOST_ROWS:
        raise Halt(f"{len(trades):,} trades are to be folded at once; give at most {MOST_ROWS:,}")
    _check_bounds(trades, "number of its key", trades.key, 0, MOST_KEYS)
    _check_bounds(trades, "price, in units of 10^-8,", trades.price, 1, UNSCALED_LIMIT)
    _check_bounds(trades, "quantity, in units of 10^-8,", trades.quantity, 1, UNSCALED_LIMIT)
    _check_bounds(trades, "offset", trades.offset, 0, 2**63 - 1)


def _check_bounds(trades: GoldTrades, name: str, column: Longs, low: int, limit: int) -> None:
    outside = (column < low) | (column >= limit)
    if outside.any():
        row = int(outside.argmax())
        raise Halt(
            f"trade {trades.trade_id[row]} at gold's offset {trades.offset[row]} cannot be folded into candles:"
            f" the {name} is {column[row]}, and must be from {low} to {limit - 1}; see who wrote it"
        )
