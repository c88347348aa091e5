"""How long a query of one hour of gold takes, which reads that hour's partition alone."""

import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import And, EqualTo
from pyiceberg.table import DataScan, Table
from tests.bench.lake_place import lake_place, plain_table
from tests.bench.market import Market

from iceberg_sink.rows import of_table
from k2_shared.core import contracts
from k2_shared.kafka.topics import GOLD
from k2_shared.lake import iceberg
from k2_support.records import SCHEMAS, FakeRecord, value

TABLE = "gold_crypto_trades"
HOUR = datetime(2026, 11, 26, 14, tzinfo=UTC)
HOUR_US = 3_600_000_000
BATCH = 100_000
CHUNK = 10_000
_SUMS = [("price", "max"), ("price", "min"), ("quantity", "sum"), ("price", "count")]


async def measure_queries(rows: int, reads: int) -> list[float]:
    """How long each of some reads of one hour of so many rows took (ms); the hours beside it have a batch each.

    Raises:
        SystemExit: another partition was read, or not every row of it.
    """
    async with lake_place() as place, plain_table(place, TABLE) as table:
        _fill(table, rows)
        found = []
        for _ in range(reads):
            began = time.perf_counter()
            counted = _query(_scan(table))
            found.append(1e3 * (time.perf_counter() - began))
            if counted != rows:
                raise SystemExit(f"a query of one hour read {counted:,} of {rows:,} rows")
        _check_partition(table)
        return found


def _scan(table: Table) -> DataScan:
    hour = And(EqualTo("exchange_date", HOUR.date().isoformat()), EqualTo("exchange_hour", HOUR.hour))
    return table.scan(row_filter=hour, selected_fields=("exchange", "symbol", "price", "quantity"))


def _check_partition(table: Table) -> None:
    hours = {task.file.partition[1] for task in _scan(table).plan_files()}
    if hours != {HOUR.hour}:
        raise SystemExit(f"a query of hour {HOUR.hour} read partitions of the hours {sorted(hours)}")


def _query(scan: DataScan) -> int:
    """Sums by symbol; returns how many rows they are of."""
    sums = scan.to_arrow().group_by(["exchange", "symbol"]).aggregate(_SUMS)
    return int(pc.sum(sums["price_count"]).as_py())


def _fill(table: Table, rows: int) -> None:
    """An hour of so many rows, by batches as the sink's, and one batch in the hour before and in the one after."""
    hour, step_us = round(HOUR.timestamp() * 1e6), HOUR_US // rows
    for start in range(0, rows, BATCH):
        _append(table, hour + start * step_us, min(BATCH, rows - start), step_us)
    for beside in (hour - HOUR_US, hour + HOUR_US):
        _append(table, beside, BATCH, 1)


def _append(table: Table, begin_us: int, count: int, step_us: int) -> None:
    table.append(rows_of(table, begin_us, count, step_us))


def rows_of(table: Table, begin_us: int, count: int, step_us: int) -> pa.Table:
    """Rows of gold's trades from a time on, as the sink makes them for the table."""
    contract, market = contracts.tables()[TABLE], Market(begin_us=begin_us, step_us=step_us)
    to_rows = of_table(contract, iceberg.schema_of(contract).as_arrow(), dict.fromkeys(contract.topics, SCHEMAS))
    made = []
    for start in range(0, count, CHUNK):
        trades = map(market.trade, range(start, min(start + CHUNK, count)))
        made.append(to_rows([FakeRecord(of.key, value(of), GOLD) for of in trades]))
    return pa.concat_tables(made).cast(table.schema().as_arrow())
