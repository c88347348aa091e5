"""What the Iceberg sink takes: a commit after a long history, memory at a lag, CPU when nothing comes, and a restart.

Run it by ``make bench-sink-commits``. Earlier history is written as metadata, and expired as it grows by the sink's
own rule, as often as the sink does: commits are measured where the table has most snapshots. The sink as a process
catches up with a lag of every topic that it reads, all tables at once.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from pyiceberg.table import Table
from rich.table import Table as Shown
from tests.bench.harness import Bench, Watch, bounded, counter, own_topics, report, table

from iceberg_sink.rows import envelope
from iceberg_sink.settings import SinkSettings
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.records import Outgoing
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import BRONZE, EXCHANGES, GOLD, SILVER, Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_support.children import Child
from k2_support.lake_history import lengthen
from k2_support.records import ORIGIN, FakeRecord, trade, value
from k2_support.topics import write
from k2_support.waiting import eventually

LENGTHS = (10, 1_000, 20_000)
ROWS = 1_500  # of a batch: five seconds at 300 rows a second
PARTITIONS = 12
IDLE_S = 30.0
SETTLE_S = 5.0
_PATIENCE_S = 1_800.0


@dataclass(frozen=True)
class Commits:
    """Commits of a table with some history."""

    history: int
    snapshots: int
    expiry_ms: float | None
    median_ms: float
    worst_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Process:
    """The sink as a process."""

    lag: int
    seconds: float
    ready_mb: float
    memory_mb: float
    idle_mb: float
    idle_cpu: float
    restart_s: float


class Bronze:
    """A bronze table, and an owner of it that commits batch after batch."""

    def __init__(self, made: Table) -> None:
        self._contract = contracts.tables()["bronze_crypto_trades"]
        self._topic = self._contract.topics[0]
        self._to_rows = envelope(iceberg.schema_of(self._contract).as_arrow())
        self.owner = LakeTable(made, "k2", Identity("bench", {self._topic: "bench"}), at_table(5))
        self._next = 0

    def commit(self) -> None:
        """One batch."""
        self.owner.commit(self.batch())

    def batch(self) -> Commit:
        """The next rows."""
        start, self._next = self._next, self._next + ROWS
        found = [FakeRecord(trade().key, value(trade()), self._topic, 0, offset=n) for n in range(start, self._next)]
        return Commit(self._to_rows(found), {(self._topic, 0): start}, {(self._topic, 0): self._next})


@contextmanager
def bronze(run: str) -> Iterator[tuple[Bronze, Table]]:
    """An empty bronze table under a prefix of its own; dropped in the end."""
    catalog, names = iceberg.connect(LakeSettings.load()), Names(f"{run}.")
    made = iceberg.create(catalog, names, contracts.tables()["bronze_crypto_trades"])
    try:
        yield Bronze(made), catalog.load_table(made.name())
    finally:
        catalog.drop_table(made.name())


def live(sink: Bronze, made: Table, commits: int) -> float | None:
    """Give a table a life of so many commits, expired by the sink's own rule; the slowest expiry in ms, if any was.

    It ends where the table has most snapshots: an hour's, and all that came since the expiry before.
    """
    hour, since = per_interval()
    slowest = None
    while commits:
        lengthen(made.refresh(), min(commits, since))
        commits -= min(commits, since)
        if commits:
            slowest = max(slowest or 0.0, expire(sink, made, hour))
    return slowest


def expire(sink: Bronze, made: Table, kept: int) -> float:
    """Expire all but the newest ``kept`` snapshots; the ms that it took."""
    oldest_s = made.refresh().snapshots()[-kept:][0].timestamp_ms / 1e3
    began = time.perf_counter()
    sink.owner.expire(0.0, lambda: oldest_s)
    return 1e3 * (time.perf_counter() - began)


def per_interval() -> tuple[int, int]:
    """How many commits are made in a snapshot's age, and from one expiry to the next."""
    settings = SinkSettings.load()
    found = (settings.sink_snapshot_age_s, settings.sink_expire_interval_s)
    return int(found[0] / settings.sink_interval_s), int(found[1] / settings.sink_interval_s)


def measure_commits(run: str, history: int, times: int) -> Commits:
    """Commit after so much history."""
    with bronze(f"{run}-{history}") as (sink, made):
        sink.commit()
        expiry_ms = live(sink, made, history)
        sink.commit()  # which learns of the history
        took, cpu = [], []
        for batch in [sink.batch() for _ in range(times)]:
            began, began_cpu = time.perf_counter(), time.process_time()
            sink.owner.commit(batch)
            took.append(1e3 * (time.perf_counter() - began))
            cpu.append(1e3 * (time.process_time() - began_cpu))
        times_ms = (statistics.median(took), max(took), statistics.median(cpu))
        return Commits(history, sink.owner.snapshots, expiry_ms, *times_ms)


async def write_lag(bench: Bench, each: int) -> int:
    """``each`` records in every topic that the sink reads, over its partitions; returns how many in all."""
    made = [trade(trade_id=number) for number in range(1, 2_001)]
    values = [value(each_trade, bench.schema_id) for each_trade in made]
    topics = [pattern.format(exchange=e.lower()) for pattern in (BRONZE, SILVER) for e in EXCHANGES] + [GOLD]
    for topic in topics:
        now_ms = int(time.time() * 1e3)
        for partition in range(PARTITIONS):
            chosen = islice(cycle(zip(made, values, strict=True)), each // PARTITIONS)
            sent = [Outgoing(topic, t.key, v, now_ms, (("k2-origin", ORIGIN.pack()),)) for t, v in chosen]
            await write(bench.settings, bench.names, sent, partition)
    return each // PARTITIONS * PARTITIONS * len(topics)


async def until_rows(child: Child, watch: Watch, rows: int) -> float:
    """Watch the sink until it has committed so many rows; the seconds that it took."""
    began = time.monotonic()

    def committed() -> bool:
        child.check()
        watch.look()
        return counter(child, "k2_table_rows") >= rows

    await eventually(committed, f"{rows} rows", _PATIENCE_S)
    return time.monotonic() - began


async def first_commit(child: Child, began: float) -> float:
    """Seconds from ``began`` until a started sink has committed."""

    def committed() -> bool:
        try:
            return counter(child, "k2_table_commits", outcome="committed") > 0
        except OSError:
            child.check()
            return False

    await eventually(committed, "the first commit", _PATIENCE_S)
    return time.monotonic() - began


async def measure_process(bench: Bench, folder: Path, each: int) -> Process:
    """A lag, an idle time, and a start with something to commit."""
    lag = await write_lag(bench, each)
    settings = {"K2_PREFIX": bench.names.prefix}
    child = Child.agent("iceberg_sink", settings, folder).start()
    try:
        child.wait_ready(120)
        watch = Watch(child.pid)
        watch.look()
        ready_mb = watch.peak_mb
        seconds = await until_rows(child, watch, lag)
        peak_mb = watch.peak_mb
        await asyncio.sleep(SETTLE_S)
        idle = Watch(child.pid)
        await asyncio.sleep(IDLE_S)
        idle_cpu = idle.look() / IDLE_S
        child.kill()
        await write_lag(bench, PARTITIONS)
        began = time.monotonic()
        child = replace(child).start()
        restart_s = await first_commit(child, began)
        child.stop()
    finally:
        child.kill()
    return Process(lag, seconds, ready_mb, peak_mb, idle.peak_mb, idle_cpu, restart_s)


async def run_process(each: int) -> Process:
    """On topics of its own."""
    async with own_topics() as bench:
        with tempfile.TemporaryDirectory() as folder:
            return await measure_process(bench, Path(folder), each)


def commits_table(found: list[Commits]) -> Shown:
    columns = ("commits before", "snapshots kept", "expiry ms", "median ms", "slowest ms", "CPU ms")
    made = table(f"one table, {ROWS:,} rows a commit", *columns)
    for line in found:
        expiry = "" if line.expiry_ms is None else f"{line.expiry_ms:,.0f}"
        times = (f"{ms:,.0f}" for ms in (line.median_ms, line.worst_ms, line.cpu_ms))
        made.add_row(f"{line.history:,}", f"{line.snapshots:,}", expiry, *times)
    return made


def process_table(found: Process) -> Shown:
    made = table("the sink as a process", "what", "measured")
    made.add_row("rows of the lag, all tables", f"{found.lag:,}")
    made.add_row("seconds to catch up", f"{found.seconds:.1f}")
    made.add_row(
        "MB when ready, at most in the lag, idle", f"{found.ready_mb:.0f}, {found.memory_mb:.0f}, {found.idle_mb:.0f}"
    )
    made.add_row("share of a core when nothing comes", f"{found.idle_cpu:.1%}")
    made.add_row("seconds from a start to the first commit", f"{found.restart_s:.1f}")
    return made


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What the Iceberg sink takes.")
    parser.add_argument("--commits", type=int, default=20, help="measured for each length of history")
    parser.add_argument("--lag", type=int, default=240_000, help="records in each of five topics")
    given = parser.parse_args()
    run = f"b{time.time_ns() % 10**8:08d}"
    measure_commits(f"{run}w", 10, 3)  # warms up
    found = [measure_commits(run, length, given.commits) for length in LENGTHS]
    process = bounded(run_process(given.lag))
    numbers = {str(line.history): round(line.median_ms) for line in found}
    more = {"memory_mb": round(process.memory_mb), "idle_cpu": round(process.idle_cpu, 4)}
    report(
        [commits_table(found), process_table(process)], {**numbers, **more, "restart_s": round(process.restart_s, 1)}
    )


if __name__ == "__main__":
    main()
