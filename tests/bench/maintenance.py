"""Gold of many small files before and after its maintenance, while a sink appends every second.

Run it by ``make bench-maintenance``. The files are of the 24 hours of a day that has ended; a scan reads two columns of
all of them. ``memory_mb`` is the most that the driver and its Java had resident together. Exits 1 where an append
failed, or where they took more than they may.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil
import pyarrow as pa
from pyiceberg.table import Table as IcebergTable
from rich.table import Table
from tests.bench.harness import POLL_S, bounded, facts, report
from tests.bench.lake_place import LakePlace, lake_place
from tests.bench.lake_query import rows_of

from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import GOLD
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable

TABLE = "gold_crypto_trades"
LIMIT_S = 3_000.0
GOAL_MB = 4_096
LEAST = 48
_HOURS = 24
_ROWS = 200  # of a file
_STEPS = ("compact", "manifests", "expire")


@dataclass(frozen=True)
class State:
    """What gold's current snapshot is made of, and how long its scan takes, the median of three."""

    files: int
    bytes: int
    rows: int
    scan_s: float


@dataclass(frozen=True)
class Measured:
    """Gold before and after, the seconds of the maintenance, its memory, and what was appended meanwhile."""

    before: State
    after: State
    seconds: float
    memory_mb: float
    appended: int
    failures: int


class Appends(threading.Thread):
    """A sink's commits, one a second, until it is told to stop."""

    def __init__(self, place: LakePlace) -> None:
        super().__init__(daemon=True)
        identity = Identity("bench", {GOLD: "gold"})
        self._gold = place.table(TABLE)
        self._table = LakeTable(self._gold, "k2", identity, at_table(20))
        self._stopped = threading.Event()
        self.done = self.failures = 0

    def run(self) -> None:
        while not self._stopped.wait(1.0):
            rows = rows_of(self._gold, int(time.time() * 1e6), 10, 1)
            try:
                self._table.commit(Commit(rows, {(GOLD, 0): self.done}, {(GOLD, 0): self.done + 1}))
                self.done += 1
            except K2Error as error:
                sys.stderr.write(f"an append failed: {error}\n")
                self.failures += 1

    def stop(self) -> None:
        """End them behind the last one."""
        self._stopped.set()
        self.join()


async def measure(files: int) -> Measured:
    """Fill gold with so many files, and maintain it."""
    async with lake_place() as place:
        fill(place.table(TABLE), files)
        before, appends = state(place), Appends(place)
        appends.start()
        began, peak = time.monotonic(), _maintained(place)
        seconds = time.monotonic() - began
        appends.stop()
        after = state(place)
        if after.rows != before.rows + 10 * appends.done:
            raise SystemExit(f"{after.rows:,} rows after {before.rows:,} and {appends.done} appends of 10")
        return Measured(before, after, seconds, peak, appends.done, appends.failures)


def fill(table: IcebergTable, files: int) -> None:
    """So many files, over the hours of yesterday."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    hours = [
        rows_of(table, int((midnight + timedelta(hours=hour)).timestamp() * 1e6), _ROWS, 1_000)
        for hour in range(_HOURS)
    ]
    for start in range(0, files, _HOURS):
        table.append(pa.concat_tables(hours[: files - start]))  # a file of each hour


def state(place: LakePlace) -> State:
    """Gold as it is now."""
    table, took = place.table(TABLE), []
    for _ in range(3):
        began = time.perf_counter()
        found: pa.Table = table.scan(selected_fields=("price", "quantity")).to_arrow()
        took.append(time.perf_counter() - began)
    tasks = list(table.scan().plan_files())
    size = sum(task.file.file_size_in_bytes for task in tasks)
    return State(len(tasks), size, len(found), statistics.median(took))


def _maintained(place: LakePlace) -> float:
    """Run the maintenance of gold; the most memory that it took, in MB."""
    words = [f"--step={step}" for step in _STEPS]
    command = [sys.executable, "-m", "k2", "maintenance", "run", f"--table={TABLE}", "--json", *words]
    environment = {**os.environ, "K2_PREFIX": place.bench.names.prefix}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    with _watched(running.pid) as seen:
        told, _ = running.communicate()
    if running.returncode:
        raise SystemExit(f"k2 maintenance run ended with {running.returncode}")
    for step in json.loads(told):
        sys.stderr.write(f"{json.dumps(step)}\n")
    return max(seen)


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """The memory of a process' children, all together, as it is seen for the length of the block."""
    seen, stopped = [0.0], threading.Event()

    def look() -> None:
        while not stopped.wait(POLL_S):
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(pid).children(recursive=True)
                seen.append(sum(each.memory_info().rss for each in children) / 1e6)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield seen
    finally:
        stopped.set()
        watching.join()


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    said = {
        f"{name} {what}": f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
        for name, each in (("before:", found.before), ("after:", found.after))
        for what, value in (
            ("files", each.files),
            ("bytes", each.bytes),
            ("s to scan it", each.scan_s),
        )
    }
    return [
        facts(
            f"gold of {len(contracts.tables()[TABLE].columns)} columns, maintained under appends",
            {
                **said,
                "minutes": f"{found.seconds / 60:.1f}",
                f"peak resident MB (goal {GOAL_MB:,})": f"{found.memory_mb:,.0f}",
                "appends meanwhile, and failed": f"{found.appended:,} and {found.failures:,}",
            },
        )
    ]


def numbers(found: Measured) -> Mapping[str, object]:
    """What was measured, for programs."""
    both = {"before": found.before, "after": found.after}
    return {
        "files": {name: each.files for name, each in both.items()},
        "bytes": {name: each.bytes for name, each in both.items()},
        "scan_s": {name: round(each.scan_s, 2) for name, each in both.items()},
        "append_failures": found.failures,
        "minutes": round(found.seconds / 60, 1),
        "memory_mb": round(found.memory_mb),
    }


def judged(found: Measured) -> list[str]:
    """What is not as it is to be, in a sentence each."""
    said = []
    if found.failures:
        said.append(f"{found.failures:,} of {found.failures + found.appended:,} appends failed")
    if not found.appended:
        said.append("nothing was appended meanwhile")
    if found.memory_mb > GOAL_MB:
        said.append(f"the maintenance took {found.memory_mb:,.0f} MB of memory, more than {GOAL_MB:,}")
    return said


def main() -> None:
    """Print a table for people and, last, one line of JSON; exit 1 where something is not as it is to be."""
    parser = argparse.ArgumentParser(description="What the maintenance makes of many small files.")
    parser.add_argument("--files", type=int, default=5_000, help=f"of gold, {LEAST} or more")
    given = parser.parse_args()
    if given.files < LEAST:
        parser.error(f"--files {given.files}: it is {LEAST} at least")
    found = bounded(measure(given.files), LIMIT_S)
    report(tables(found), numbers(found))
    if wrong := judged(found):
        raise SystemExit("; ".join(wrong))  # which is exit 1


if __name__ == "__main__":
    main()
