"""How many trades that are known to be missing may belong to a candle.

**What is missing.** The ids whose last record in the gap ledger says opened or unfillable (``GapFold`` keeps both), and
those of dead letters; less what gold has by now. Ids from before the capture are in no ledger: to have a symbol's first
candle incomplete, give them as a range.

**What it is to a candle.** A missing id may belong to a window where it lies between the last trade before the window
and the first one after it; where there is none, so does everything on that side. So both neighbours of a gap are
incomplete, and all candles between them, and an hour is where one of its minutes is. A candle is complete where the
number is 0.

**What it rests on.** A venue numbers the trades of a symbol upwards, and in the order of their times. Where times and
ids disagree, it may belong to every window that is neither before all trades from its lower neighbour on, nor after all
trades up to its upper one, neighbours by id; there, ids go up by one, and each is in gold or missing. A venue that
numbers anew begins another series, whose candles are judged by themselves.

**What a candle must say.** The lowest and the highest id of its trades, not those of its open and close: from them
alone the neighbours follow. What is missing changes without a trade, so that a candle is complete is no column of it,
whose version is an offset: who reads it computes it, from the candles and the few ranges that are missing now.

**In SQL,** over the candles of a symbol and timeframe in the order of windows, ``low`` is ``max(highest_id)`` of all
before and ``high`` is ``min(lowest_id)`` of all after, but where ids overlap as in ``bounds``; a missing range counts
where ``last_id > low and first_id < high``. When a range changes, only those candles may change that stand from the
first with ``highest_id >= first_id - 1`` to the last with ``lowest_id <= last_id + 1``, and one more on either side.
"""

from collections.abc import Iterable

import numpy as np

from k2_shared.candles.rows import CandleRows
from k2_shared.core.layout import Longs

IdRange = tuple[int, int]
"""Ids from the first to the last, both included."""
_BELOW_ALL, _ABOVE_ALL = 0, np.iinfo(np.int64).max


def missing_trades(candles: CandleRows, missing: Iterable[IdRange]) -> Longs:
    """How many missing ids may belong to each candle; 0 where it is complete.

    The candles are all of one symbol and timeframe, in the order of windows. Ranges may overlap and come in any order;
    one that is empty is none. A range whose ids may belong to several candles counts for each of them as a whole.
    """
    first, last = united(missing)
    low, high = bounds(candles)
    before = np.concatenate([[0], np.cumsum(last - first + 1)])
    found = before[np.searchsorted(first, high)] - before[np.searchsorted(last, low, side="right")]
    return np.asarray(np.maximum(found, 0), np.int64)


def united(ranges: Iterable[IdRange]) -> tuple[Longs, Longs]:
    """The firsts and the lasts of ranges, ascending; those that touch are one."""
    given = np.array([each for each in ranges if each[0] <= each[1]], np.int64).reshape(-1, 2)
    first, last = given[np.argsort(given[:, 0])].T
    reach = np.maximum.accumulate(last)
    begins = np.ones(len(first), np.bool_)
    begins[1:] = first[1:] - 1 > reach[:-1]
    ends = np.roll(begins, -1)
    return first[begins], reach[ends]


def bounds(candles: CandleRows) -> tuple[Longs, Longs]:
    """Between which ids, both excluded, a missing one may belong to each candle."""
    lowest = np.minimum.accumulate(candles["lowest_id"][::-1])[::-1]
    highest = np.maximum.accumulate(candles["highest_id"])
    before = np.concatenate([[_BELOW_ALL], highest])[:-1]
    after = np.concatenate([lowest, [_ABOVE_ALL]])[1:]
    low = np.where(before < lowest, before, lowest - 2)
    high = np.where(after > highest, after, np.minimum(highest, _ABOVE_ALL - 2) + 2)
    return low, high
