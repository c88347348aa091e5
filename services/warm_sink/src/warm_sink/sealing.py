"""Which candles no trade may begin or change any more, since the table may have deleted what they knew; pure."""

from collections.abc import Iterable, Sequence

import numpy as np

from k2_shared.candles.rows import Bucket, CandleRows, of_no_trade
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades
from k2_shared.core.layout import Longs
from k2_shared.warm.horizons import NOWHERE

SEALED = np.iinfo(np.int64).max
"""The ``last_offset`` of a candle that has every trade that it will ever have."""
_WIDTHS = [timeframe.width_us for timeframe in TIMEFRAMES]


def is_behind(bucket: Bucket, horizon: Sequence[int]) -> bool:
    """Whether a candle of that window, and every row of it, may have been deleted."""
    timeframe, _, window_start = bucket
    return window_start + _WIDTHS[timeframe] <= horizon[timeframe]


def last_behind(keys: Iterable[int], horizon: Sequence[int]) -> list[Bucket]:
    """Of each key and timeframe the newest window behind the horizon, where there is one."""
    ends = [(place, at // _WIDTHS[place]) for place, at in enumerate(horizon) if at > NOWHERE]
    return [(place, key, (number - 1) * _WIDTHS[place]) for key in keys for place, number in ends]


def sealed(buckets: Sequence[Bucket]) -> CandleRows:
    """Candles that no trade changes."""
    rows = of_no_trade(len(buckets))
    for name, values in zip(("timeframe", "key", "window_start"), zip(*buckets, strict=True), strict=False):
        rows[name] = values
    rows["last_offset"] = SEALED
    return rows


def refused(trades: GoldTrades, candles: CandleRows) -> Longs:
    """By timeframe, how many trades are of candles that are sealed."""
    shut = candles[candles["last_offset"] == SEALED]
    found = np.zeros(len(TIMEFRAMES), np.int64)
    for place in np.unique(shut["timeframe"]).tolist():
        of = shut[shut["timeframe"] == place]
        windows = _coded(trades.key, trades.timestamp // _WIDTHS[place])
        found[place] = np.isin(windows, _coded(of["key"], of["window_start"] // _WIDTHS[place])).sum()
    return found


def _coded(key: Longs, window: Longs) -> Longs:
    """One number for each key and window: fewer than 2^16 keys, windows of a minute at least."""
    return np.asarray(key * 2**47 + window, np.int64)
