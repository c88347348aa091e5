"""The driver that makes candles of gold's trades: ``python -m k2_spark.candles``, for ``k2 validate-ohlcv``.

It shares nothing with the fold that makes ClickHouse's: minutes are made of the trades, by SQL, and the wider
timeframes of minutes, so that the lake is read once.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import islice

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Row, SparkSession

from k2_shared.batch.candles import SCHEMA, CandleTask
from k2_shared.batch.settings import SparkSettings
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.driver import drive, tell
from k2_spark.failures import failures
from k2_spark.literals import literal
from k2_spark.session import session
from k2_spark.settings import CATALOG

_ROWS = 10_000  # of a batch, which are held at once
_WIDE = Context(prec=76)  # of a total's digits
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = {each.name: each.width_us for each in TIMEFRAMES}
# A total of products may have more digits than Spark's decimals: whole units and the rest of them are added up apart.
_MINUTES = """
SELECT exchange, symbol, at - at % 60000000 AS minute, min_by(price, (at, id)) AS open, max(price) AS high,
    min(price) AS low, max_by(price, (at, id)) AS close, sum(quantity) AS volume, sum(floor(product)) AS quote_whole,
    sum(pmod(product, 1)) AS quote_rest, count(*) AS trade_count, min(at) AS open_time, max(at) AS close_time
FROM (
    SELECT exchange, symbol, unix_micros(timestamp) AS at, coalesce(source_sequence, CAST(trade_id AS BIGINT)) AS id,
        price, quantity, price * quantity AS product
    FROM {catalog}.{table} VERSION AS OF {snapshot_id}
    WHERE exchange_date BETWEEN DATE '{first_day}' AND DATE '{last_day}' AND exchange IN ({exchanges}){and_symbol}
)
GROUP BY exchange, symbol, minute
"""
_CANDLES = """
SELECT exchange, symbol, minute - minute % {width} AS window_start, min_by(open, minute) AS open, max(high) AS high,
    min(low) AS low, max_by(close, minute) AS close, sum(volume) AS volume, sum(quote_whole) AS quote_whole,
    sum(quote_rest) AS quote_rest, sum(trade_count) AS trade_count, min(open_time) AS open_time,
    max(close_time) AS close_time
FROM minutes WHERE minute >= {begin} AND minute < {end}
GROUP BY exchange, symbol, window_start ORDER BY exchange, symbol, window_start
"""


def minutes(task: CandleTask) -> str:
    """The statement that makes candles of a minute of the lake's trades, and of whole days some more than are asked."""
    return _MINUTES.format(
        catalog=CATALOG,
        table=task.table,
        snapshot_id=task.snapshot_id,
        first_day=_day(min(span.begin for span in task.ranges.values())),
        last_day=_day(max(span.end for span in task.ranges.values())),
        exchanges=", ".join(map(literal, task.exchanges)),
        and_symbol=f" AND symbol = {literal(task.symbol)}" if task.symbol else "",
    )


def candles(task: CandleTask, timeframe: str) -> str:
    """The statement that makes the candles of a timeframe of those minutes, in the order of their windows."""
    return _CANDLES.format(width=_WIDTHS[timeframe], **task.ranges[timeframe]._asdict())


def _day(at_us: int) -> str:
    return f"{_UNIX_EPOCH + timedelta(microseconds=at_us):%Y-%m-%d}"


def _batches(rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    while chunk := list(islice(rows, _ROWS)):
        columns = [_column(chunk, name, field.type) for name, field in zip(SCHEMA.names, SCHEMA, strict=True)]
        yield pa.record_batch(columns, schema=SCHEMA)


def _column(rows: Sequence[Row], name: str, kind: pa.DataType) -> pa.Array:
    if name == "quote_volume":
        return pa.array([_joined(row["quote_whole"], row["quote_rest"]) for row in rows], kind)
    return pa.array([row[name] for row in rows], kind)


def _joined(whole: Decimal, rest: Decimal) -> Decimal:
    return _WIDE.add(whole, rest)


def _write(spark: SparkSession, task: CandleTask, timeframe: str) -> int:
    """Write the candles of a timeframe, a batch at a time; returns how many they are."""
    count = 0
    with pa.OSFile(str(task.file(timeframe)), "wb") as file, pa.ipc.new_stream(file, SCHEMA) as stream:
        for batch in _batches(spark.sql(candles(task, timeframe)).toLocalIterator()):
            stream.write_batch(batch)
            count += batch.num_rows
    return count


def _work(task: CandleTask) -> None:
    began = time.monotonic()
    with session(LakeSettings.load(), SparkSettings.load()) as spark, failures("recomputing candles"):
        spark.sql(minutes(task)).persist(StorageLevel.MEMORY_AND_DISK).createTempView("minutes")
        for timeframe in task.ranges:
            rows = _write(spark, task, timeframe)
            tell("candles", timeframe=timeframe, rows=rows, seconds=round(time.monotonic() - began, 3))
    tell("done")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser("k2_spark.candles", description=__doc__)
    parser.add_argument("task", type=CandleTask.of_text, help="JSON, as k2_shared.batch.candles has it")
    task = parser.parse_args().task
    drive(lambda: _work(task))


if __name__ == "__main__":
    main()
