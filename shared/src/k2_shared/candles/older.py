"""A limited number of candles by bucket; the least lately used make way."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from k2_shared.candles.rows import CANDLE, Bucket, CandleRows, buckets, chosen, put
from k2_shared.core.layout import Longs


class OlderCandles:
    """The latest used candles, at most so many; not a negative number."""

    def __init__(self, most: int) -> None:
        self._rows = np.zeros(most, CANDLE)  # takes memory where it is written
        self._places: OrderedDict[Bucket, int] = OrderedDict()  # in that array; the least lately used first

    def __len__(self) -> int:
        return len(self._places)

    def find(self, wanted: Sequence[Bucket]) -> tuple[Longs, CandleRows]:
        """The candles of those buckets that are here, and which of the wanted ones these are."""
        here = [number for number, bucket in enumerate(wanted) if bucket in self._places]
        places = np.array([self._places[wanted[number]] for number in here], np.int64)
        return np.array(here, np.int64), chosen(self._rows, places)

    def put(self, rows: CandleRows) -> None:
        """Keep candles in place of what is here of their buckets; of one bucket the last row, which is the newest."""
        last = {bucket: number for number, bucket in enumerate(buckets(rows))}
        kept = dict(list(last.items())[max(0, len(last) - len(self._rows)) :])
        for bucket in kept.keys() & self._places.keys():
            self._places.move_to_end(bucket)
        self._make_way([bucket for bucket in kept if bucket not in self._places])
        places = [self._places[bucket] for bucket in kept]
        put(self._rows, np.array(places, np.int64), chosen(rows, np.array(list(kept.values()), np.int64)))

    def _make_way(self, new: Sequence[Bucket]) -> None:
        """Give each new bucket a place: the next unused, or else that of the least lately used."""
        unused = iter(range(len(self._places), len(self._rows)))
        for bucket in new:
            place = next(unused, None)
            self._places[bucket] = self._places.popitem(last=False)[1] if place is None else place
