"""Which candles no trade may begin or change: those that the table may have deleted."""

import re

import numpy as np

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades
from k2_shared.warm.candle_rows import KEPT_DAYS
from k2_shared.warm.horizons import horizons
from k2_shared.warm.migrations import migrations
from warm_sink.sealing import SEALED, is_behind, last_behind, refused, sealed

DAY = 86_400_000_000
NOW = 1_000 * DAY


def test_the_days_are_those_of_the_migration() -> None:
    """By timeframe."""
    (sql,) = (each.sql for each in migrations() if each.name == "candles")
    found = re.findall(r"INTERVAL (\d+) DAY DELETE WHERE timeframe (?:IN \((.+?)\)|= (.+?))[,\n]", sql)
    kept = {name: int(days) for days, *names in found for name in re.findall(r"'(\w+)'", "".join(names))}
    assert kept == dict(zip([each.name for each in TIMEFRAMES], KEPT_DAYS, strict=True))


def test_a_table_has_deleted_nothing_that_is_younger_than_it_keeps() -> None:
    """A day less: what is about to go counts as gone."""
    assert [(NOW - each) // DAY for each in horizons(0, NOW)] == [29, 29, 29, 29, 89, 364]
    assert [each > 0 for each in horizons(NOW - 89 * DAY, NOW)] == [True] * 4 + [False] * 2
    assert not any(is_behind((place, 0, 0), horizons(NOW - 29 * DAY, NOW)) for place in range(6))


def test_a_window_is_behind_the_horizon_once_it_has_ended() -> None:
    """Not before; and the last that is so is the newest."""
    horizon = [10 * DAY + 1] * 6
    for place, timeframe in enumerate(TIMEFRAMES):
        assert is_behind((place, 0, 10 * DAY - timeframe.width_us), horizon)
        assert not is_behind((place, 0, 10 * DAY), horizon)
    expected = [(place, key, 10 * DAY - each.width_us) for key in (3, 5) for place, each in enumerate(TIMEFRAMES)]
    assert last_behind([3, 5], horizon) == expected
    assert last_behind([3, 5], horizons(NOW, NOW)) == []


def test_the_trades_of_sealed_candles_are_counted() -> None:
    """By timeframe, key and window; those of others are not."""
    minute = TIMEFRAMES[0].width_us
    trades = GoldTrades(*np.array([[0, 0, 1, 1], [0, minute, 0, minute], *[[1, 2, 3, 4]] * 4], np.int64))
    candles = sealed([(0, 0, minute), (0, 1, 0), (0, 1, minute), (4, 1, 0)])
    assert refused(trades, candles).tolist() == [3, 0, 0, 0, 2, 0]
    candles["last_offset"] = 7
    assert refused(trades, candles).tolist() == [0] * 6
    assert sealed([]).tolist() == []
    assert sealed([(5, 1, DAY)])["last_offset"].tolist() == [SEALED]
