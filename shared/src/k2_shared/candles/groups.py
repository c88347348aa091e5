"""The trades of a batch by the candles that they belong to, in all timeframes."""

from dataclasses import dataclass

import numpy as np

from k2_shared.candles.rows import CANDLE, COMBINED, CandleRows, chosen, joined, run_ends, run_starts
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades
from k2_shared.candles.wide import QUANTITY_DIGITS, Words, limbs, product_digits, quantity_digits
from k2_shared.core.layout import Longs

_COLUMNS = {"high": "price", "low": "price", "lowest_id": "trade_id", "highest_id": "trade_id", "last_offset": "offset"}
"""Columns of a candle, and of which of its trades they are made."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Trades by bucket: a candle of each bucket's, whose totals stand in ``digits``, a column for each bucket.

    A bucket's trades stand from ``start`` to before ``end`` in the ordered batch; ``first_offset`` is their lowest.
    """

    rows: CandleRows
    digits: Words
    first_offset: Longs
    start: Longs
    end: Longs

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: Longs) -> "Groups":
        """Some of the groups, in the order in which they are asked for."""
        rest = (column[which] for column in (self.first_offset, self.start, self.end))
        return Groups(chosen(self.rows, which), self.digits[:, which], *rest)

    def candles(self) -> CandleRows:
        """The candles of these trades, with their totals."""
        rows = joined([self.rows])
        rows["volume"] = limbs(self.digits[:QUANTITY_DIGITS], 2)
        rows["quote_volume"] = limbs(self.digits[QUANTITY_DIGITS:], 4)
        return rows


def grouped(trades: GoldTrades, start: Longs) -> Groups:
    """Ordered trades in groups that begin at ``start``; of which window each is, is left open."""
    end = np.append(start[1:], len(trades))
    rows = np.zeros(len(start), CANDLE)
    rows["key"] = trades.key[start]
    for name, column in (("", trades.price), ("_ts", trades.timestamp), ("_id", trades.trade_id)):
        rows[f"open{name}"] = column[start]
        rows[f"close{name}"] = column[end - 1]
    rows["trade_count"] = end - start
    for name, of in _COLUMNS.items():
        rows[name] = COMBINED[name].reduceat(getattr(trades, of), start)
    digits = np.concatenate([quantity_digits(trades.quantity), product_digits(trades.price, trades.quantity)])
    sums = np.add.reduceat(digits, start, axis=1)
    return Groups(rows, sums, np.minimum.reduceat(trades.offset, start), start, end)


def in_all_timeframes(trades: GoldTrades) -> Groups:
    """Ordered trades, of which there is one, by bucket; the buckets in the order of timeframe, key and window."""
    minute = trades.timestamp // TIMEFRAMES[0].width_us
    narrow = grouped(trades, run_starts(trades.key, minute))
    narrow.rows["window_start"] = minute[narrow.start] * TIMEFRAMES[0].width_us
    every = [narrow]
    for place in range(1, len(TIMEFRAMES)):
        every.append(_widened(every[-1], place))
    return Groups(
        joined([each.rows for each in every]),
        np.concatenate([each.digits for each in every], axis=1),
        *(np.concatenate(each) for each in zip(*((g.first_offset, g.start, g.end) for g in every), strict=True)),
    )


def _widened(narrow: Groups, place: int) -> Groups:
    """The groups of one timeframe as those of the next wider one."""
    width_us = TIMEFRAMES[place].width_us
    window = narrow.rows["window_start"] // width_us * width_us
    first = run_starts(narrow.rows["key"], window)
    last = run_ends(narrow.rows["key"], window)
    rows = chosen(narrow.rows, first)
    rows["timeframe"] = place
    rows["window_start"] = window[first]
    for name in ("close", "close_ts", "close_id"):
        rows[name] = narrow.rows[name][last]
    for name, combine in COMBINED.items():
        rows[name] = combine.reduceat(narrow.rows[name], first)
    sums = np.add.reduceat(narrow.digits, first, axis=1)
    lowest = np.minimum.reduceat(narrow.first_offset, first)
    return Groups(rows, sums, lowest, narrow.start[first], narrow.end[last])
