"""The candles of ClickHouse's views, and how far they are folded. Every method blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from k2.candles.wanted import Wanted
from k2.validation.comparison import StoredCandle, Window
from k2.validation.scope import Ends
from k2_shared.batch.candles import WindowRange

_TIMES = ("window_start", "open_time", "close_time")
_COLUMNS = ", ".join(
    f"toUnixTimestamp64Micro({name}) AS {name}_us" if name in _TIMES else name for name in StoredCandle._fields
)
_OF = """
has({exchanges:Array(String)}, exchange) AND ({symbol:String} = '' OR symbol = {symbol:String})
AND window_start >= fromUnixTimestamp64Micro({begin:Int64}, 'UTC')
AND window_start < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
"""
_CANDLES = f"""
SELECT {_COLUMNS} FROM {{view:Identifier}} WHERE {_OF} ORDER BY exchange, symbol, window_start
"""  # noqa: S608  # values are parameters
_NEWER = f"""
SELECT exchange, symbol, toUnixTimestamp64Micro(window_start) FROM candles FINAL
WHERE timeframe = {{timeframe:String}} AND last_offset >= {{ends:Array(Int64)}}[kafka_partition + 1] AND {_OF}
"""  # noqa: S608  # values are parameters
_FOLDED = "SELECT kafka_partition, max(last_offset) + 1 FROM candles WHERE timeframe = '1d' GROUP BY kafka_partition"
_BEGUN = "SELECT toUnixTimestamp64Micro(min(began_at)) FROM sink_state FINAL WHERE table_name = 'candles'"


@dataclass(frozen=True, slots=True)
class WarmCandles:
    """Candles of some symbols; ``partitions`` counts those of gold."""

    client: Client
    wanted: Wanted
    partitions: int

    def folded(self) -> Ends:
        """Up to where each partition of gold is in candles, as far as it is in any."""
        return {int(partition): int(end) for partition, end in self.client.query(_FOLDED).result_rows}

    def begun_us(self) -> int:
        """When the table was begun, before which nothing in it has expired; 0 where it was not."""
        ((begun_us,),) = self.client.query(_BEGUN).result_rows
        return int(begun_us)

    def read(self, timeframe: str, span: WindowRange) -> Iterator[StoredCandle]:
        """The candles of a timeframe, in the order of their windows."""
        given = self._given(span) | {"view": f"gold_ohlcv_{timeframe}"}
        with self.client.query_arrow_stream(_CANDLES, given, use_strings=True) as batches:
            yield from candles_of(batches)

    def newer(self, timeframe: str, span: WindowRange, ends: Ends) -> set[Window]:
        """The windows of candles that have trades beyond some offsets."""
        given = {"timeframe": timeframe, "ends": [ends.get(each, 0) for each in range(self.partitions)]}
        return {Window(*row) for row in self.client.query(_NEWER, self._given(span) | given).result_rows}

    def _given(self, span: WindowRange) -> dict[str, object]:
        return {**span._asdict(), "exchanges": list(self.wanted.exchanges), "symbol": self.wanted.symbol}


def candles_of(batches: Iterator[pa.RecordBatch]) -> Iterator[StoredCandle]:
    """Batches of rows, whose columns are those of a candle, as candles."""
    for batch in batches:
        columns: Sequence[list[object]] = [column.to_pylist() for column in batch.columns]
        yield from map(StoredCandle, *columns)
