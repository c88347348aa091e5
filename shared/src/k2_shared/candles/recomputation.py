"""The candles of one symbol, made again from its trades beside those that are stored. Pure."""

from dataclasses import dataclass

import numpy as np

from k2_shared.candles.groups import grouped
from k2_shared.candles.rows import BUCKET, CandleRows, buckets, chosen, joined, merged, of_no_trade, put, run_starts
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades, ordered
from k2_shared.core.layout import Longs


@dataclass(frozen=True, slots=True)
class Differences:
    """What is to be done so that the stored candles are what the trades say.

    ``made`` are to be stored; ``excess`` are stored of windows without a trade, or say that they have trades beyond the
    last one, which would outweigh what is to be stored.
    """

    made: CandleRows
    excess: CandleRows

    def __len__(self) -> int:
        return len({*buckets(self.made), *buckets(self.excess)})


class Recomputation:
    """Takes a symbol's trades in any order, each once, and makes of them what its ``stored`` candles should be.

    A stored candle is made of the trades up to its own ``last_offset``, so that one which a sink changes meanwhile can
    be judged; where none is stored, of those before ``end``, up to which gold's partition is folded.
    """

    def __init__(self, stored: CandleRows, end: int) -> None:
        self._stored = chosen(stored, np.lexsort([stored[name] for name in reversed(BUCKET)]))
        self._last = end - 1
        self._made = of_no_trade(0)

    def add(self, trades: GoldTrades) -> None:
        """Take some of the trades.

        Raises:
            Halt: a trade is out of the bounds of gold, or a total exceeds its decimal.
        """
        every = ordered(trades)
        for place in range(len(TIMEFRAMES)):
            self._made = _combined(self._made, self._folded(every, place))

    def differences(self) -> Differences:
        """In what the stored candles differ from those of the trades."""
        stored = dict(zip(buckets(self._stored), self._stored, strict=True))
        made = dict(zip(buckets(self._made), self._made, strict=True))
        differs = [at not in stored or row.tobytes() != stored[at].tobytes() for at, row in made.items()]
        exceeds = [at not in made or row["last_offset"] > made[at]["last_offset"] for at, row in stored.items()]
        return Differences(chosen(self._made, differs), chosen(self._stored, exceeds))

    def _folded(self, trades: GoldTrades, place: int) -> CandleRows:
        """The candles of one timeframe."""
        width_us = TIMEFRAMES[place].width_us
        window = trades.timestamp // width_us * width_us
        taken = trades.offset <= self._limits(place, window)
        start = run_starts(window[taken])
        if not len(start):
            return of_no_trade(0)
        rows = grouped(trades.take(taken), start).candles()
        rows["timeframe"], rows["window_start"] = place, window[taken][start]
        return rows

    def _limits(self, place: int, window: Longs) -> Longs:
        """Up to which offset the candle of each window has trades."""
        stored = chosen(self._stored, self._stored["timeframe"] == place)
        limits = np.full(len(window), self._last, np.int64)
        if len(stored):
            at = np.minimum(np.searchsorted(stored["window_start"], window), len(stored) - 1)
            known = stored["window_start"][at] == window
            limits[known] = stored["last_offset"][at[known]]
        return limits


def _combined(left: CandleRows, right: CandleRows) -> CandleRows:
    """Candles of the trades of both, which have none in common; in the order of their buckets."""
    both = joined([left, right])
    ordered_rows = chosen(both, np.lexsort([both[name] for name in reversed(BUCKET)]))
    first = run_starts(*(ordered_rows[name] for name in BUCKET))
    found = chosen(ordered_rows, first)
    twice = np.diff(np.append(first, len(both))) == 2  # a row of each
    put(found, twice, merged(chosen(found, twice), chosen(ordered_rows, first[twice] + 1)))
    return found
