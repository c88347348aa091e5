"""The six timeframes of candles, in windows of UTC."""

from datetime import UTC, datetime
from typing import NamedTuple


class Timeframe(NamedTuple):
    """A timeframe by the name that tables and topics give it; ``width_us`` is that of its windows in microseconds."""

    name: str
    width_us: int


_MINUTE_US = 60_000_000
TIMEFRAMES = (
    Timeframe("1m", _MINUTE_US),
    Timeframe("5m", 5 * _MINUTE_US),
    Timeframe("15m", 15 * _MINUTE_US),
    Timeframe("30m", 30 * _MINUTE_US),
    Timeframe("1h", 60 * _MINUTE_US),
    Timeframe("1d", 1_440 * _MINUTE_US),
)
"""From the narrowest to the widest; each is a multiple of the one before, so that its groups are made of that one's.

A candle says its timeframe by the place in here. Windows begin at multiples of the width since the Unix epoch, which is
a midnight of UTC.
"""


def window_text(start_us: int) -> str:
    """A window's start as a statement spells it, in UTC; windows begin at whole seconds."""
    return f"{datetime.fromtimestamp(start_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
