"""Candles as the rows of an array, and how two that know different trades of a window become one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.wide import Words, added, reaches
from k2_shared.core.errors import Halt
from k2_shared.core.layout import Flags, Longs
from k2_shared.core.times import iso

CANDLE = np.dtype(
    [
        ("timeframe", np.int64),
        ("key", np.int64),
        ("window_start", np.int64),
        ("open", np.int64),
        ("high", np.int64),
        ("low", np.int64),
        ("close", np.int64),
        ("volume", np.uint64, (2,)),
        ("quote_volume", np.uint64, (4,)),
        ("trade_count", np.int64),
        ("open_ts", np.int64),
        ("open_id", np.int64),
        ("close_ts", np.int64),
        ("close_id", np.int64),
        ("lowest_id", np.int64),
        ("highest_id", np.int64),
        ("last_offset", np.int64),
    ]
)
"""A candle: the ``timeframe`` by its place in TIMEFRAMES, times in µs since the epoch, prices unscaled (10^-8).

``volume`` is decimal(38,8) and ``quote_volume`` decimal(76,16), unscaled, in limbs as Arrow lays them out (``wide``).
It is of all trades up to ``last_offset`` in gold; open and close are the first and the last of them by time and id, and
need not have the lowest and the highest id.
"""
COMBINED: Mapping[str, np.ufunc] = {
    "high": np.maximum,
    "low": np.minimum,
    "trade_count": np.add,
    "lowest_id": np.minimum,
    "highest_id": np.maximum,
    "last_offset": np.maximum,
}
"""How columns of several candles become that of one."""

CandleRows = npt.NDArray[np.void]
"""An array of ``CANDLE``."""
BUCKET = ("timeframe", "key", "window_start")
"""What a candle is of. The row of a bucket with the highest ``last_offset`` is the one that counts."""
Bucket = tuple[int, int, int]
NOTHING = -1
"""The ``last_offset`` of a candle of no trade."""
_BYTES = np.dtype((np.void, CANDLE.itemsize))
_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_PRECISION = {"volume": 38, "quote_volume": 76}


def of_no_trade(count: int) -> CandleRows:
    """Candles that change nothing that they are merged with, of windows older than any."""
    rows = np.zeros(count, CANDLE)
    for name in ("window_start", "high", "close_ts", "close_id", "highest_id"):
        rows[name] = _LOWEST
    for name in ("low", "open_ts", "open_id", "lowest_id"):
        rows[name] = _HIGHEST
    rows["last_offset"] = NOTHING
    return rows


def of_same_buckets(rows: CandleRows) -> CandleRows:
    """Candles of the same buckets, of no trade."""
    made = of_no_trade(len(rows))
    for name in BUCKET:
        made[name] = rows[name]
    return made


def buckets(rows: CandleRows) -> list[Bucket]:
    """What each candle is of, as Python's numbers."""
    return list(zip(*(rows[name].tolist() for name in BUCKET), strict=True))


def chosen(rows: CandleRows, which: Any) -> CandleRows:
    """A copy of some of the rows, by numbers or flags.

    Rows are moved as bytes, twenty times faster than numpy moves rows of named fields.
    """
    found: CandleRows = rows.view(_BYTES)[which].view(CANDLE)
    return found


def put(rows: CandleRows, which: Any, new: CandleRows) -> None:
    """Replace some of the rows, by numbers or flags."""
    rows.view(_BYTES)[which] = new.view(_BYTES)


def joined(parts: Sequence[CandleRows], axis: int = 0) -> CandleRows:
    """A copy of the rows of all parts, one after the other."""
    found: CandleRows = np.concatenate([part.view(_BYTES) for part in parts], axis=axis).view(CANDLE)
    return found


def merged(old: CandleRows, new: CandleRows) -> CandleRows:
    """Candles of the trades of both, bucket by bucket; no trade may be in both.

    Raises:
        Halt: a total exceeds the decimal that holds it.
    """
    rows = joined([new])
    _keep(rows, old, _precedes(old, new, "open"), ("open", "open_ts", "open_id"))
    _keep(rows, old, _precedes(new, old, "close"), ("close", "close_ts", "close_id"))
    for name, combine in COMBINED.items():
        rows[name] = combine(old[name], new[name])
    for name, precision in _PRECISION.items():
        rows[name] = _total(rows, name, added(old[name], new[name]), precision)
    return rows


def _precedes(left: CandleRows, right: CandleRows, which: str) -> Flags:
    """Where the open or close of the left is before that of the right, by time and id."""
    left_ts, right_ts = left[f"{which}_ts"], right[f"{which}_ts"]
    by_id = (left_ts == right_ts) & (left[f"{which}_id"] < right[f"{which}_id"])
    return np.asarray((left_ts < right_ts) | by_id, np.bool_)


def _keep(rows: CandleRows, old: CandleRows, where: Flags, names: tuple[str, ...]) -> None:
    for name in names:
        rows[name] = np.where(where, old[name], rows[name])


def _total(rows: CandleRows, name: str, total: Words, precision: int) -> Words:
    """A column of totals that their decimal holds."""
    exceeds = reaches(total, 10**precision)
    if exceeds.any():
        row = rows[exceeds][0]
        which = f"{TIMEFRAMES[row['timeframe']].name} from {iso(int(row['window_start']))} of key {row['key']}"
        raise Halt(
            f"the candle {which} would have a {name} of more than {precision} digits by gold's offset"
            f" {row['last_offset']}: its stored row is damaged; rebuild it from the trades"
        )
    return total


def run_starts(*columns: Longs) -> Longs:
    """The rows that differ from the one before them in one of the columns; the first one does."""
    changed = np.zeros(len(columns[0]), np.bool_)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def run_ends(*columns: Longs) -> Longs:
    """The rows that differ from the one after them in one of the columns; the last one does."""
    return np.append(run_starts(*columns)[1:], len(columns[0]))[: len(columns[0])] - 1


def latest(rows: CandleRows) -> CandleRows:
    """Of each bucket the row with the highest ``last_offset``, in the order of buckets."""
    ordered = chosen(rows, np.lexsort([rows[name] for name in ("last_offset", *reversed(BUCKET))]))
    return chosen(ordered, run_ends(*(ordered[name] for name in BUCKET)))
