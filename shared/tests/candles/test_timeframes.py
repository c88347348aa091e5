"""Timeframes and their windows."""

from itertools import pairwise

import pytest

from k2_shared.candles.timeframes import TIMEFRAMES, window_text


def test_each_timeframe_is_made_of_the_one_before() -> None:
    """Whole windows of it, and a day is the widest."""
    widths = [each.width_us for each in TIMEFRAMES]
    assert [wide % narrow for narrow, wide in pairwise(widths)] == [0] * 5
    assert widths[-1] == 86_400_000_000


@pytest.mark.parametrize(
    ("start_us", "said"), [(0, "1970-01-01 00:00:00"), (1_762_776_060_000_000, "2025-11-10 12:01:00")]
)
def test_a_window_is_spelt_in_utc(start_us: int, said: str) -> None:
    """Whatever zone the machine is in."""
    assert window_text(start_us) == said
