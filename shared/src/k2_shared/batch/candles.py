"""What Spark is asked to recompute of gold's trades, and how it hands over the candles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa

MODULE = "k2_spark.candles"
"""The driver that recomputes them."""
PRICES = ("open", "high", "low", "close")
SCHEMA = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("window_start", pa.int64()),
        *((name, pa.decimal128(18, 8)) for name in PRICES),
        ("volume", pa.decimal128(38, 8)),
        ("quote_volume", pa.decimal256(76, 16)),
        *((name, pa.int64()) for name in ("trade_count", "open_time", "close_time")),
    ]
)
"""A candle's columns, times in microseconds; it is the rows of a file, in the order of their first three columns."""


class WindowRange(NamedTuple):
    """Windows that begin at a time or after it, and before another, in microseconds; both are begins of windows."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class CandleTask:
    """Which candles: of a table, its namespace with it, at a snapshot, of all symbols where that is empty.

    For each timeframe of ``ranges`` a file is written to the folder.
    """

    table: str
    snapshot_id: int
    exchanges: Sequence[str]
    symbol: str
    ranges: Mapping[str, WindowRange]
    folder: str

    def file(self, timeframe: str) -> Path:
        """The file of a timeframe's candles, an Arrow stream."""
        return Path(self.folder) / f"{timeframe}.arrow"

    def to_text(self) -> str:
        """It as an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> Self:
        """It of its argument."""
        given = json.loads(text)
        return cls(**{**given, "ranges": {name: WindowRange(*span) for name, span in given["ranges"].items()}})
