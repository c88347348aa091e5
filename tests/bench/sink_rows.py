"""Rows per CPU second of the Iceberg sink, by column and as it made them before, in one run.

Run it by ``make bench-sink-rows``. First the rows alone, table by table: every way makes the same rows of the same
records, in turns, and the least CPU time of several counts. Then the sink as a process, all else that it does included:
from the moment that a lag stands in every topic that it reads until the last row of it is committed.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.bench.contenders import listed_sink
from tests.bench.harness import Bench, Watch, bounded, own_topics, report, table
from tests.bench.market import Market
from tests.bench.sink_commits import until_rows, write_lag

from iceberg_sink import rows
from k2_shared.core import contracts
from k2_shared.core.gc_tuning import tune_gc
from k2_shared.core.records import RecordBatch
from k2_shared.lake import iceberg
from k2_shared.stages.row_batch import ToRows
from k2_support.children import Child
from k2_support.lake_tables import lake_tables
from k2_support.records import SCHEMAS, FakeRecord, value

TABLES = ("bronze_crypto_trades", "silver_kraken_trades", "gold_crypto_trades")
CHUNK = 10_000  # records of which the sink makes rows at a time
RUNS = 5
SINKS = {"before": "tests.bench.contenders.listed_sink", "by column": "iceberg_sink"}
_READY_S = 120.0


@dataclass(frozen=True)
class Rates:
    """Rows per CPU second of one kind of work, by the way in which it is done; the first is what others are held to."""

    work: str
    by_way: Mapping[str, float]


def batches(count: int, topic: str) -> list[RecordBatch]:
    """Consumed records of Kraken's trades."""
    market = Market(("KRAKEN",))
    trades = map(market.trade, range(count))
    records = [FakeRecord(of.key, value(of), topic, offset=offset) for offset, of in enumerate(trades)]
    return [records[start : start + CHUNK] for start in range(0, count, CHUNK)]


def ways(name: str) -> dict[str, ToRows]:
    """How rows of a table can be made."""
    contract = contracts.tables()[name]
    schema = iceberg.schema_of(contract).as_arrow()
    if contract.rows == "envelope":
        return {"before": listed_sink.envelope(schema), "by column": rows.envelope(schema)}
    schemas = dict.fromkeys(contract.topics, SCHEMAS)
    return {
        "before": listed_sink.trades(schema, schemas),
        "fastavro and lists": listed_sink.trades(schema, schemas, listed_sink.by_fastavro),
        "by column": rows.trades(schema, schemas),
    }


def measure_rows(name: str, count: int) -> Rates:
    """Make the rows of a table in every way, in turns.

    Raises:
        SystemExit: two ways make other rows.
    """
    found, made = batches(count, contracts.tables()[name].topics[0]), ways(name)
    if len({str(to_rows(found[0]).to_pylist()) for to_rows in made.values()}) > 1:
        raise SystemExit(f"rows of {name} differ by the way in which they are made")
    spent: dict[str, list[float]] = {way: [] for way in made}
    gc.freeze()  # the sink keeps no records: what is kept here shall not slow down what is measured
    for _ in range(RUNS):
        for way, to_rows in made.items():
            began = time.process_time()
            for batch in found:
                to_rows(batch)
            spent[way].append(time.process_time() - began)
    gc.unfreeze()
    return Rates(name, {way: count / min(each) for way, each in spent.items()})


async def measure_sink(module: str, each: int) -> float:
    """Rows per CPU second of a sink's process, with a lag of ``each`` records in every topic."""
    async with own_topics() as bench:
        with lake_tables(bench.names), tempfile.TemporaryDirectory() as folder:
            child = Child.agent(module, {"K2_PREFIX": bench.names.prefix}, Path(folder))
            return await _catch_up(bench, child, each)


async def _catch_up(bench: Bench, child: Child, each: int) -> float:
    """Let a sink start, and give it a lag while it is suspended."""
    child.start().wait_ready(_READY_S)
    try:
        watch = Watch(child.pid)
        with watch.paused():
            lag = await write_lag(bench, each)
        before = watch.look()
        await until_rows(child, watch, lag)
        return lag / (watch.look() - before)
    finally:
        child.kill()


async def measure_sinks(each: int) -> Rates:
    """The sink as it was, and as it is."""
    return Rates("whole sink", {way: await measure_sink(module, each) for way, module in SINKS.items()})


def summary(found: Sequence[Rates]) -> Table:
    """Every work and way."""
    made = table("one CPU", "work", "way", "rows per CPU second", "µs a row", "times as many")
    for rates in found:
        first = next(iter(rates.by_way.values()))
        for way, rate in rates.by_way.items():
            made.add_row(rates.work, way, f"{rate:,.0f}", f"{1e6 / rate:.2f}", f"{rate / first:.1f}")
    return made


def numbers(found: Sequence[Rates]) -> dict[str, int]:
    """Rows per CPU second by work and way."""
    return {
        f"{rates.work} {way}".replace(" ", "_"): round(rate) for rates in found for way, rate in rates.by_way.items()
    }


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="Rows per CPU second of the Iceberg sink.")
    parser.add_argument("--records", type=int, default=40_000, help="of which rows are made, for each table")
    parser.add_argument("--lag", type=int, default=60_000, help="records in each of five topics; 0 measures no sink")
    given = parser.parse_args()
    tune_gc()
    found = [measure_rows(name, given.records) for name in TABLES]
    if given.lag:
        found.append(bounded(measure_sinks(given.lag)))
    report([summary(found)], numbers(found))


if __name__ == "__main__":
    main()
