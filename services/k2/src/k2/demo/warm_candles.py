"""The candles of the warm tier as a reader finds them, beside those that they must be."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from k2.demo.warm_rows import Identity, WarmRows, compared
from k2.ohlcv.candle import Candle
from k2.ohlcv.selection import VIEW
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.core.times import iso
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import failures
from k2_support.warm_tables import Row, WarmTables

DRAWN = "1m"
"""The timeframe of which candles are drawn."""
_LATE_S = 10.0
_EVERY_S = 0.25
_TIMES = ("window_start", "window_end", "open_time", "close_time")
_COLUMNS = (
    *("exchange", "symbol", *_TIMES, "open", "high", "low", "close", "volume", "quote_volume", "vwap", "trade_count"),
    *("is_closed", "is_complete", "missing_trades"),
)
_SELECTED = ", ".join(f"toUnixTimestamp64Micro({name})" if name in _TIMES else name for name in _COLUMNS)
BY_WINDOW = Identity(
    lambda row: (row["exchange"], row["symbol"], row["window_start"]),
    lambda row: f"{row['exchange']}:{row['symbol']} from {iso(row['window_start'], 'minutes')}",
)
"""How a candle is known, and called."""


@dataclass(frozen=True)
class FoundCandles:
    """What the views have, by timeframe, beside what they must have; ``drawn`` are those of one of them."""

    beside: Mapping[str, WarmRows] = field(default_factory=dict)
    drawn: Sequence[Candle] = ()


class WarmCandles:
    """Reads a run's candles; for one thread at a time."""

    def __init__(self, reader: ClickHouseSettings, names: Names) -> None:
        self._reader, self._tables = reader, WarmTables(reader, names)

    def read(self, wanted: Mapping[str, Sequence[Row]]) -> FoundCandles:
        """The candles beside those that they must be, by timeframe; what differs is looked at again for 10 s. Blocks.

        Raises:
            K2Error: the server does not answer, or refuses.
        """
        deadline = time.monotonic() + _LATE_S
        with failures(self._reader):
            while True:
                found = self._look(wanted)
                if time.monotonic() > deadline or all(each.is_exact for each in found.beside.values()):
                    return found
                time.sleep(_EVERY_S)

    def _look(self, wanted: Mapping[str, Sequence[Row]]) -> FoundCandles:
        found = {name: self._rows(name) for name in wanted}
        beside = {name: compared(rows, found[name], BY_WINDOW) for name, rows in wanted.items()}
        return FoundCandles(beside, [Candle.of(row) for row in found[DRAWN]])

    def _rows(self, timeframe: str) -> list[Row]:
        sql = f"SELECT {_SELECTED} FROM {VIEW.format(timeframe)} ORDER BY exchange, symbol, window_start"  # noqa: S608
        return [dict(zip(_COLUMNS, row, strict=True)) for row in self._tables.ask(sql)]
