"""What the benchmarks share besides trades: topics of their own, watched processes, a table and a line of JSON."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from k2_local.processes import listener
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_support.children import Child
from k2_support.topics import lasting_topics
from k2_support.waiting import came_true

PROBE_TIMEOUT_S = 5.0
PATIENCE_S = 180.0
POLL_S = 0.5  # a page of metrics costs a sink some milliseconds of CPU
LIMIT_S = 500.0

T = TypeVar("T")


def bounded(work: Coroutine[Any, Any, T], limit_s: float = LIMIT_S) -> T:
    """Run a benchmark, which stops by itself whatever happens."""
    try:
        return asyncio.run(asyncio.wait_for(work, limit_s))
    except TimeoutError:
        raise SystemExit(f"not done after {limit_s:.0f} s: the machine is too busy, or something hangs") from None


@dataclass(frozen=True)
class Bench:
    """A benchmark's place on the broker."""

    settings: RunSettings
    names: Names
    schema_id: int


@asynccontextmanager
async def own_topics() -> AsyncIterator[Bench]:
    """Every topic and subject of the contracts under a prefix of their own; deleted in the end."""
    settings = RunSettings.load(k2_prefix=f"b{uuid.uuid4().hex[:8]}.")
    names = Names(settings.k2_prefix)
    async with lasting_topics(settings) as ids:
        yield Bench(settings, names, next(iter(ids.values())))


class Watch:
    """A process: the CPU seconds it takes, its threads included, and the most memory that was seen resident."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began_s = self._total_s()
        self.peak_mb = 0.0

    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend the process meanwhile."""
        self._process.suspend()
        try:
            yield
        finally:
            self._process.resume()

    def look(self) -> float:
        """CPU seconds since the watch began; notes the memory."""
        self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)
        return self._total_s() - self._began_s

    def _total_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


class Machine:
    """All CPUs of this machine since the watch began."""

    def __init__(self) -> None:
        self._began, self._began_s = time.monotonic(), self._busy_s()

    def look(self) -> tuple[float, float]:
        """CPU seconds in which something ran, and how many there were."""
        there_were = (time.monotonic() - self._began) * (psutil.cpu_count() or 1)
        return self._busy_s() - self._began_s, there_were

    def _busy_s(self) -> float:
        times = psutil.cpu_times()
        return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def broker_pid(bench: Bench) -> int | None:
    """The broker's process, where it is on this machine and ours to see."""
    return listener(int(bench.settings.kafka_bootstrap_servers.split(",")[0].rpartition(":")[2]))


def counter(agent: Child, name: str, **labels: str) -> float:
    """A counter of an agent: the sum over its samples with these labels."""
    with urlopen(f"http://127.0.0.1:{agent.web_port}/metrics", timeout=PROBE_TIMEOUT_S) as page:
        families = text_string_to_metric_families(page.read().decode())
        samples = [sample for family in families for sample in family.samples]
    return float(sum(s.value for s in samples if s.name == f"{name}_total" and labels.items() <= s.labels.items()))


async def until_table_has(sink: Child, watch: Watch, name: str, least: int, poll_s: float = POLL_S) -> int:
    """Watch a sink until it has written so many rows to a table; returns how many they are then.

    Raises:
        SystemExit: it did not in time.
    """

    def rows() -> int:
        return int(counter(sink, "k2_table_rows", table=name))

    def written() -> bool:
        sink.check()
        watch.look()
        return rows() >= least

    if not await came_true(written, PATIENCE_S, poll_s):
        raise SystemExit(f"{name} lacks some of {least:,} rows {PATIENCE_S:.0f} s after the last trade")
    return rows()


def table(title: str, *columns: str) -> Table:
    """A table of numbers; the first column is text."""
    made = Table(*columns, title=title, title_justify="left")
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def facts(title: str, said: Mapping[str, str]) -> Table:
    """A table of names and what is said of each."""
    made = table(title, "what", "measured")
    for name, value in said.items():
        made.add_row(name, value)
    return made


def report(tables: Sequence[Table], numbers: Mapping[str, object]) -> None:
    """Print tables for people and, last, one line of JSON."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
    for each in tables:
        console.print(each)
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()
