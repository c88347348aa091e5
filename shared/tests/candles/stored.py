"""Stored candles for tests: every row that was written, read back as a table that is not merged gives them."""

import random
from collections.abc import Collection

import numpy as np

from k2_shared.candles.rows import Bucket, CandleRows, buckets, chosen, joined, of_no_trade
from k2_shared.core.layout import Flags, Longs


class StoredCandles:
    """Gives every row of what is asked for, older versions too, in any order; notes what was asked."""

    def __init__(self, seed: int = 0) -> None:
        self.rows = of_no_trade(0)
        self.asked: list[Bucket] = []
        self.asked_keys: list[int] = []
        self._random = random.Random(seed)

    def write(self, rows: CandleRows) -> None:
        """Append rows."""
        self.rows = joined([self.rows, rows])

    def newest(self, keys: Longs) -> CandleRows:
        """Of these keys the candles of all windows, the newest among them, and one of another key."""
        self.asked_keys += keys.tolist()
        wanted = np.isin(self.rows["key"], keys)
        wanted[:1] = True
        return self._some(wanted)

    def stored(self, wanted: Collection[Bucket]) -> CandleRows:
        """The candles of these buckets, and one of another."""
        self.asked += wanted
        found = np.array([bucket in wanted for bucket in buckets(self.rows)], np.bool_)
        found[:1] = True
        return self._some(found)

    def _some(self, wanted: Flags) -> CandleRows:
        places = np.flatnonzero(wanted).tolist()
        self._random.shuffle(places)
        return chosen(self.rows, np.array(places, np.int64))
