"""Candles that are new or have changed since they were looked at last."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from k2.ohlcv.reading import CandleRows
from k2.ohlcv.selection import Selection
from k2.sql.warm_reader import WarmReader

_EVERY_S = 1.0
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Changes(NamedTuple):
    """The candles that are looked at, and those of them that are new or have changed."""

    now: CandleRows
    changed: CandleRows


def changes(reader: WarmReader, wanted: Selection, shown: CandleRows) -> Iterator[Changes]:
    """Look again and again at what was shown and what has come since, without an end. Blocks.

    Raises:
        K2Error: see ``WarmReader.result``.
    """
    watched, before = _from_there(wanted, shown), shown.by_window()
    while True:
        time.sleep(_EVERY_S)
        now = CandleRows.read(reader, watched.newest, watched.parameters)
        found = now.by_window()
        changed = [row for window, row in found.items() if before.get(window) != row]
        before = found
        if changed:
            yield Changes(now, now.of(changed))


def _from_there(wanted: Selection, shown: CandleRows) -> Selection:
    """The selection from the first window on that was shown."""
    starts = [candle.window_start for candle in shown.candles]
    return wanted.since(_UNIX_EPOCH + timedelta(microseconds=min(starts))) if starts else wanted
