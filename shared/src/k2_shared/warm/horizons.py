"""From when on candles can have expired; pure."""

from collections.abc import Sequence

from k2_shared.warm.candle_rows import KEPT_DAYS

NOWHERE = -(2**62)
"""The horizon of a table that has deleted nothing yet."""
_DAY_US = 86_400_000_000
_MARGIN_DAYS = 1  # what was read is written, by every sink, in less


def horizons(begun_us: int, now_us: int) -> Sequence[int]:
    """By the place of a timeframe: rows that were written before that (µs) are deleted, or are about to be.

    A table that was begun since has deleted nothing yet.
    """
    found = [now_us - (days - _MARGIN_DAYS) * _DAY_US for days in KEPT_DAYS]
    return [each if begun_us < each else NOWHERE for each in found]
