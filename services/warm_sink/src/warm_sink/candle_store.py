"""The stored candles, as a fold reads them."""

from collections.abc import Collection, Sequence
from time import time_ns

import numpy as np
import pyarrow as pa

from k2_shared.candles.rows import Bucket, CandleRows, buckets, joined, of_no_trade
from k2_shared.candles.timeframes import TIMEFRAMES, window_text
from k2_shared.core.layout import Longs
from k2_shared.warm.candle_rows import Keys, candles_of
from k2_shared.warm.horizons import horizons
from warm_sink.adapters import Warehouse, literal
from warm_sink.sealing import SEALED, is_behind, last_behind, sealed

_AT_ONCE = 2_000  # buckets of one query
_STORED = "SELECT * FROM candles FINAL WHERE (timeframe, exchange, symbol, window_start) IN ({wanted})"
_NEWEST = """
SELECT timeframe, exchange, symbol, max(window_start) FROM candles WHERE (exchange, symbol) IN ({pairs})
GROUP BY timeframe, exchange, symbol
"""


class StoredCandles:
    """Reads candles from the table, which was begun then (µs); ``keys`` numbers the symbols. Every method blocks.

    A window that ended before the horizon may have had a candle that was deleted: without its row it is sealed, for a
    new one would lack trades. So is a row that was written before it: of the rows of two sinks the better may be gone.
    """

    def __init__(self, warehouse: Warehouse, keys: Keys, begun_us: int) -> None:
        self._warehouse = warehouse
        self._keys = keys
        self._begun_us = begun_us

    def newest(self, keys: Longs) -> CandleRows:
        """Of each of these keys and each timeframe the candle of the newest window, sealed where that is too old."""
        pairs = ", ".join(f"({literal(self._keys.pairs[key])})" for key in keys.tolist())
        horizon = self._horizon()
        rows = self._read(_NEWEST.format(pairs=pairs), horizon)
        newest = {(timeframe, key): start for timeframe, key, start in buckets(rows)}
        behind = [each for each in last_behind(keys.tolist(), horizon) if newest.get(each[:2], -1) < each[2]]
        return joined([rows, sealed(behind)])

    def stored(self, wanted: Collection[Bucket]) -> CandleRows:
        """The candles of these buckets, sealed where they are too old."""
        every, horizon = list(wanted), self._horizon()
        parts = [self._some(every[at : at + _AT_ONCE], horizon) for at in range(0, len(every), _AT_ONCE)]
        return joined([of_no_trade(0), *parts])

    def _some(self, wanted: Sequence[Bucket], horizon: Sequence[int]) -> CandleRows:
        rows = self._read(", ".join(map(self._spelt, wanted)), horizon)
        there = set(buckets(rows))
        return joined([rows, sealed([each for each in wanted if each not in there and is_behind(each, horizon)])])

    def _read(self, wanted: str, horizon: Sequence[int]) -> CandleRows:
        found = self._warehouse.read(_STORED.format(wanted=wanted))
        rows = candles_of(found, self._keys)
        written_us = found["written_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        rows["last_offset"][written_us < np.array(horizon)[rows["timeframe"]]] = SEALED
        return rows

    def _horizon(self) -> Sequence[int]:
        return horizons(self._begun_us, time_ns() // 1_000)

    def _spelt(self, bucket: Bucket) -> str:
        timeframe, key, start = bucket
        return f"('{TIMEFRAMES[timeframe].name}', {literal(self._keys.pairs[key])}, '{window_text(start)}')"
