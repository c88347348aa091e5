"""What a message costs silver and gold, and what people would use instead, in one run on one broker.

Run it by ``make bench-core``. Each contender is a process of its own that reads the same records; its CPU time
(user and system, native threads included, the broker not) is taken between the first tenth and the last of the
records that a read_committed consumer finds in its output, so that start-up does not count. Silver and gold are judged:
more memory than ``LIMIT_MB`` resident is exit 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from rich.table import Table
from tests.bench.harness import Bench, Watch, bounded, own_topics, report, table
from tests.bench.market import Market, distinct
from tests.bench.stages import fetch, gold_parts, parts_table, silver_parts

from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing, by_topic
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, encode, wire_prefix
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import BRONZE, GOLD, SILVER, administration, create, partition_for
from k2_support.ports import free_port

EXCHANGE: Exchange = "KRAKEN"
SOURCE = BRONZE.format(exchange=EXCHANGE.lower())
VALID = SILVER.format(exchange=EXCHANGE.lower())
WARM_UP = 0.1
PATIENCE_S = 150.0
DRAINED_MS = 500
LIMIT_MB = 256.0  # of each of ours, at its largest
OURS = ("silver", "gold")
QUIX_PYTHON = ".venv-bench/bin/python"  # its own environment: it asks for other versions than ours
CONTENDERS = Path(__file__).parent / "contenders"


@dataclass(frozen=True)
class Contender:
    """A process to measure: its command, what it must read of the records, and where it writes."""

    name: str
    argv: tuple[str, ...]
    output: str
    expected: int
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Cost:
    """What a contender took."""

    records: int
    cpu_s: float
    clock_s: float
    peak_mb: float

    @property
    def per_cpu_second(self) -> float:
        """Messages per second of CPU."""
        return self.records / self.cpu_s


async def load(bench: Bench, count: int) -> None:
    """Write the trades to bronze."""
    prefix, market = wire_prefix(bench.schema_id), Market((EXCHANGE,))
    partitions: dict[int, list[Outgoing]] = {}
    for trade in map(market.trade, range(count)):
        now = time.time_ns()
        header = (HEADER, Origin(now, 1, 1).pack())
        record = Outgoing(SOURCE, trade.key, encode(trade, now // 1_000, prefix), now // 1_000_000, (header,))
        partitions.setdefault(partition_for(trade.key, _partitions(bench)), []).append(record)
    async with clients.started(clients.producer(bench.settings), bench.settings) as sender:
        for partition, records in partitions.items():
            await send_all(sender, bench.names, partition, by_topic(records))


def _partitions(bench: Bench) -> int:
    return bench.names.contract(SOURCE).partitions


@asynccontextmanager
async def counting(settings: RunSettings, topic: str, partitions: int) -> AsyncIterator[Any]:
    """A read_committed consumer at the start of a topic."""
    async with clients.started(clients.consumer(settings), settings) as reader:
        at = [TopicPartition(topic, partition) for partition in range(partitions)]
        reader.assign(at)
        await reader.seek_to_beginning(*at)
        yield reader


async def measure(bench: Bench, contender: Contender, folder: Path) -> Cost:
    """Run a contender until its output has all it must."""
    log = folder / f"{contender.name}.log"
    process = _start(contender, log)
    try:
        async with counting(bench.settings, contender.output, _partitions(bench)) as reader:
            watch = Watch(process.pid)
            first = await _until(reader, watch, (0, int(contender.expected * WARM_UP)), log)
            with watch.paused():  # what is written and not yet read was paid for before
                first += await _drain(reader)
                before = watch.look()
            began = time.monotonic()
            last = await _until(reader, watch, (first, contender.expected), log)
            return Cost(last - first, watch.look() - before, time.monotonic() - began, watch.peak_mb)
    finally:
        process.terminate()
        process.wait(60)


def _start(contender: Contender, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            contender.argv, env={**os.environ, **contender.environment}, stdout=output, stderr=output
        )


async def _until(reader: Any, watch: Watch, span: tuple[int, int], log: Path) -> int:
    """Count from what was found to what is wanted, and look at the process meanwhile."""
    found, wanted = span
    deadline = time.monotonic() + PATIENCE_S
    while found < wanted:
        if not watch.lives() or time.monotonic() > deadline:
            raise SystemExit(f"stopped at {found} of {wanted}: {_tail(log)}")
        watch.look()
        found += sum(map(len, (await reader.getmany(timeout_ms=200)).values()))
    return found


async def _drain(reader: Any) -> int:
    """Read all that is committed now; returns how much that was."""
    count = 0
    while found := await reader.getmany(timeout_ms=DRAINED_MS):
        count += sum(map(len, found.values()))
    return count


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:]


def contenders(bench: Bench, count: int) -> list[Contender]:
    """All that is measured; the slow ones are stopped after fewer records."""
    names, unique = bench.names, distinct(count)

    def agent(module: str, output: str, expected: int) -> Contender:
        environment = {"K2_PREFIX": names.prefix, "WEB_PORT": str(free_port()), "WEB_HOST": "127.0.0.1"}
        return Contender(module, (sys.executable, "-m", module), names.topic(output), expected, environment)

    def other(name: str, python: str, script: str, expected: int, *arguments: str) -> Contender:
        output = f"{names.prefix}{name}"
        broker = bench.settings.kafka_bootstrap_servers
        words = (broker, names.topic(SOURCE), output, str(bench.schema_id), *arguments)
        argv = (python, str(CONTENDERS / script), *words)
        return Contender(name, argv, output, min(unique, expected), {})

    return [
        agent("silver", VALID, count),
        agent("gold", GOLD, unique),
        other("faust", sys.executable, "faust_app.py", 30_000),
        other("quix_at_least_once", QUIX_PYTHON, "quix_app.py", 200_000, "at-least-once"),
        other("quix_exactly_once", QUIX_PYTHON, "quix_app.py", 200_000, "exactly-once"),
    ]


async def run(count: int, only: set[str]) -> tuple[dict[str, Cost], list[Table]]:
    """Load the records, measure every contender, one after the other, and look into ours."""
    costs = {}
    async with own_topics() as bench:
        await load(bench, count)
        with tempfile.TemporaryDirectory() as folder:
            for contender in contenders(bench, count):
                if only and contender.name not in only:
                    continue
                await _create_output(bench, contender)
                costs[contender.name] = await measure(bench, contender, Path(folder))
        return costs, [await _parts(bench, name, costs[name]) for name in OURS if name in costs]


async def _create_output(bench: Bench, contender: Contender) -> None:
    if not contender.output.startswith(bench.names.topic("market.")):
        async with administration(bench.settings) as admin:
            like_gold = replace(bench.names.contract(GOLD), name=contender.name)
            await create(admin, bench.names, [like_gold], replication=1)


async def _parts(bench: Bench, name: str, cost: Cost) -> Table:
    topic, parts = (SOURCE, silver_parts) if name == "silver" else (VALID, gold_parts)
    return parts_table(name, parts(bench, EXCHANGE, await fetch(bench, topic)), 1e6 / cost.per_cpu_second)


def summary(costs: Mapping[str, Cost]) -> Table:
    """Every contender's cost."""
    made = table("one process each", "contender", "messages", "per CPU second", "µs a message", "per second", "peak MB")
    for name, cost in costs.items():
        numbers = (cost.records, cost.per_cpu_second, cost.records / cost.clock_s, cost.peak_mb)
        records, per_cpu, per_clock, peak = (f"{number:,.0f}" for number in numbers)
        made.add_row(name, records, per_cpu, f"{1e6 / cost.per_cpu_second:.1f}", per_clock, peak)
    return made


def numbers(costs: Mapping[str, Cost]) -> dict[str, int]:
    """Messages per CPU second of each, and the memory of ours."""
    rates = {name: round(cost.per_cpu_second) for name, cost in costs.items()}
    return rates | {f"{name}_peak_mb": round(costs[name].peak_mb) for name in OURS if name in costs}


def judged(costs: Mapping[str, Cost]) -> list[str]:
    """Which of ours took more memory than it may, in a sentence each."""
    return [
        f"{name} took {costs[name].peak_mb:.0f} MB of memory, more than {LIMIT_MB:.0f}"
        for name in OURS
        if name in costs and costs[name].peak_mb > LIMIT_MB
    ]


def main() -> None:
    """Print tables for people and, last, one line of JSON; exit 1 where ours took too much."""
    parser = argparse.ArgumentParser(description="Messages per CPU second of silver, gold and their alternatives.")
    parser.add_argument("--records", type=int, default=600_000)
    parser.add_argument("--only", action="append", default=[], help="measure this contender alone; may be repeated")
    given = parser.parse_args()
    costs, inside = bounded(run(given.records, set(given.only)))
    report([summary(costs), *inside], numbers(costs))
    if too_much := judged(costs):
        raise SystemExit("; ".join(too_much))  # which is exit 1


if __name__ == "__main__":
    main()
