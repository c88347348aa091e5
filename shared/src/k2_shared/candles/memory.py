"""The candles that a fold remembers: the newest of each symbol and timeframe, and a limited number of older ones."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

import numpy as np

from k2_shared.candles.older import OlderCandles
from k2_shared.candles.rows import (
    NOTHING,
    Bucket,
    CandleRows,
    buckets,
    chosen,
    joined,
    latest,
    of_no_trade,
    of_same_buckets,
    put,
    run_ends,
)
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.errors import ConfigError
from k2_shared.core.layout import Flags, Longs


class CandleReader(Protocol):
    """The candles that are stored; of what there is none, there is no row.

    Rows may come in any order, and of one bucket several: the one with the highest ``last_offset`` counts. A reader may
    block; what it raises goes through to who folds, and the fold is as it was.
    """

    def newest(self, keys: Longs) -> CandleRows:
        """Of each of these keys and each timeframe, the candle of the newest window."""

    def stored(self, wanted: Collection[Bucket]) -> CandleRows:
        """The candles of these buckets."""


class Known(NamedTuple):
    """What is known of buckets, row by row: their candles so far, and which are older than their symbol's newest."""

    candles: CandleRows
    older: Flags


class CandleMemory:
    """Candles by bucket; what was forgotten is read again, so that the limit changes no result.

    Raises:
        ConfigError: the limit is negative.
    """

    def __init__(self, reader: CandleReader, most_older: int) -> None:
        if most_older < 0:
            raise ConfigError(f"a fold cannot remember {most_older} older candles; allow it 0 or more")
        self._reader = reader
        self._older = OlderCandles(most_older)
        self._newest = of_no_trade(0).reshape(len(TIMEFRAMES), 0)  # by timeframe and key
        self._asked = np.zeros(0, np.bool_)  # which keys' newest candles were read

    @property
    def older(self) -> int:
        """How many candles are remembered that are not their symbol's newest."""
        return len(self._older)

    def find(self, rows: CandleRows) -> Known:
        """What is known of the buckets of these rows; reads what is not in memory and may be stored."""
        self._ask(rows["key"])
        newest = chosen(self._newest, (rows["timeframe"], rows["key"]))
        found = of_same_buckets(rows)
        current = rows["window_start"] == newest["window_start"]
        put(found, current, chosen(newest, current))
        older = np.asarray(rows["window_start"] < newest["window_start"], np.bool_)
        put(found, older, self._find_older(chosen(found, older)))
        return Known(found, older)

    def remember(self, rows: CandleRows) -> None:
        """Keep these candles in place of what was known of their buckets; they are in the order of their buckets."""
        last = run_ends(rows["timeframe"], rows["key"])
        top = chosen(rows, last)
        before = chosen(self._newest, (top["timeframe"], top["key"]))
        newest = top["window_start"] >= before["window_start"]
        self._put_newest(chosen(top, newest))
        passed = newest & (before["window_start"] < top["window_start"]) & (before["last_offset"] != NOTHING)
        older = np.ones(len(rows), np.bool_)
        older[last[newest]] = False
        self._older.put(joined([chosen(before, passed), chosen(rows, older)]))

    def _put_newest(self, rows: CandleRows) -> None:
        put(self._newest, (rows["timeframe"], rows["key"]), rows)

    def _ask(self, keys: Longs) -> None:
        """Read the newest candles of keys that were never seen."""
        self._reserve(int(keys.max()) + 1)
        unknown = np.unique(keys[~self._asked[keys]])
        if len(unknown):
            rows = self._reader.newest(unknown)
            rows = latest(chosen(rows, np.isin(rows["key"], unknown)))
            self._put_newest(chosen(rows, run_ends(rows["timeframe"], rows["key"])))
            self._asked[unknown] = True

    def _reserve(self, keys: int) -> None:
        """Have a place for the newest candles of so many keys."""
        if keys > len(self._asked):
            more = max(keys, 2 * len(self._asked)) - len(self._asked)
            empty = of_no_trade(len(TIMEFRAMES) * more).reshape(len(TIMEFRAMES), more)
            self._newest = joined([self._newest, empty], axis=1)
            self._asked = np.concatenate([self._asked, np.zeros(more, np.bool_)])

    def _find_older(self, rows: CandleRows) -> CandleRows:
        """Older candles in place of these of no trade: from memory, or else those that are stored."""
        wanted = buckets(rows)
        here, found = self._older.find(wanted)
        put(rows, here, found)
        missing = {wanted[number]: number for number in np.delete(np.arange(len(rows)), here).tolist()}
        if missing:
            read = latest(self._reader.stored(missing))
            at = np.array([missing.get(bucket, -1) for bucket in buckets(read)], np.int64)
            put(rows, at[at >= 0], chosen(read, at >= 0))
        return rows
