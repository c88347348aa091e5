"""What a message costs silver and gold, and what people would use instead, in one run on one broker.

Run it by ``make bench-core``. Each contender is a process of its own that reads the same records; its CPU time
(user and system, native threads included, the broker not) is taken between the first tenth and the last of the
records that a read_committed consumer finds in its output, so that start-up does not count.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from rich.console import Console
from rich.table import Table

from k2_shared import contracts, kafka
from k2_shared.children import free_port
from k2_shared.origin import HEADER, Origin
from k2_shared.records import Outgoing, by_topic
from k2_shared.registry import Registry
from k2_shared.settings import RunSettings
from k2_shared.topics import BRONZE, GOLD, SILVER, Names, administration, apply_subjects, create, partition_for
from k2_shared.trade import Trade, encode, wire_prefix

EXCHANGE = "kraken"
SYMBOLS = 96
WARM_UP = 0.1
DUPLICATES = 0.01
PATIENCE_S = 600.0
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
    resident_mb: float

    @property
    def per_cpu_second(self) -> float:
        """Messages per second of CPU."""
        return self.records / self.cpu_s


def trades(count: int) -> list[Trade]:
    """Real-like trades: contiguous ids over many symbols, one in a hundred repeated."""
    made, repeated = [], int(1 / DUPLICATES)
    for number in range(count):
        number -= number % repeated == repeated - 1  # the one before it, again
        symbol = f"S{number % SYMBOLS}/USDT"
        made.append(
            Trade(
                exchange="KRAKEN",
                symbol=symbol,
                trade_id=10_000_000 + number // SYMBOLS,
                timestamp=1_762_795_433_971_744 + number,
                price=Decimal(1_000_000_000 + number % 100_000).scaleb(-5),
                quantity=Decimal(1 + number % 1_000_000).scaleb(-8),
                side="BUY" if number % 3 else "SELL",
                vendor_data={"ord_type": "limit"},
            )
        )
    return made


async def load(settings: RunSettings, names: Names, schema_id: int, count: int) -> int:
    """Write the trades to bronze; returns how many distinct ones there are."""
    topic, prefix = BRONZE.format(exchange=EXCHANGE), wire_prefix(schema_id)
    partitions: dict[int, list[Outgoing]] = {}
    made = trades(count)
    for trade in made:
        now = time.time_ns()
        header = (HEADER, Origin(now, 1, 1).pack())
        record = Outgoing(topic, trade.key, encode(trade, now // 1_000, prefix), now // 1_000_000, (header,))
        partitions.setdefault(partition_for(trade.key, 12), []).append(record)
    async with kafka.started(kafka.producer(settings), settings) as sender:
        for partition, records in partitions.items():
            await kafka.send_all(sender, names, partition, by_topic(records))
    return len({trade.message_id for trade in made})


@asynccontextmanager
async def counting(settings: RunSettings, topic: str) -> AsyncIterator[Any]:
    """A read_committed consumer at the start of a topic."""
    async with kafka.started(kafka.consumer(settings), settings) as reader:
        at = [TopicPartition(topic, partition) for partition in range(12)]
        reader.assign(at)
        await reader.seek_to_beginning(*at)
        yield reader


async def measure(settings: RunSettings, contender: Contender, folder: Path) -> Cost:
    """Run a contender until its output has all it must."""
    log = folder / f"{contender.name}.log"
    process = _start(contender, log)
    try:
        async with counting(settings, contender.output) as reader:
            first = await _until(reader, process, 0, int(contender.expected * WARM_UP), log)
            began, before = time.monotonic(), _cpu(process)
            last = await _until(reader, process, first, contender.expected, log)
            after, resident = _cpu(process), psutil.Process(process.pid).memory_info().rss / 1e6
            return Cost(last - first, after - before, time.monotonic() - began, resident)
    finally:
        process.terminate()
        process.wait(60)


def _start(contender: Contender, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            contender.argv, env={**os.environ, **contender.environment}, stdout=output, stderr=output
        )


async def _until(reader: Any, process: subprocess.Popen[bytes], found: int, wanted: int, log: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while found < wanted:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"stopped at {found} of {wanted}: {_tail(log)}")
        found += sum(map(len, (await reader.getmany(timeout_ms=200)).values()))
    return found


def _tail(log: Path) -> str:
    return log.read_text()[-2_000:]


def _cpu(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def contenders(settings: RunSettings, names: Names, schema_id: int, count: int, distinct: int) -> list[Contender]:
    """All that is measured; the slow ones are stopped after fewer records."""
    source = names.topic(BRONZE.format(exchange=EXCHANGE))

    def agent(module: str, output: str, expected: int) -> Contender:
        environment = {"K2_PREFIX": names.prefix, "WEB_PORT": str(free_port()), "WEB_HOST": "127.0.0.1"}
        return Contender(module, (sys.executable, "-m", module), names.topic(output), expected, environment)

    def other(name: str, python: str, script: str, expected: int, *arguments: str) -> Contender:
        output = f"{names.prefix}{name}"
        words = (settings.kafka_bootstrap_servers, source, output, str(schema_id), *arguments)
        argv = (python, str(CONTENDERS / script), *words)
        return Contender(name, argv, output, expected, {})

    return [
        agent("silver", SILVER.format(exchange=EXCHANGE), count),
        agent("gold", GOLD, distinct),
        other("faust", sys.executable, "faust_app.py", min(distinct, 30_000)),
        other("quix_at_least_once", QUIX_PYTHON, "quix_app.py", min(distinct, 200_000), "at-least-once"),
        other("quix_exactly_once", QUIX_PYTHON, "quix_app.py", min(distinct, 200_000), "exactly-once"),
    ]


async def bench(count: int, only: set[str]) -> dict[str, Cost]:
    """Load the records and measure every contender, one after the other."""
    settings = RunSettings.load(k2_prefix=f"b{uuid.uuid4().hex[:8]}.")
    names, wanted, costs = Names(settings.k2_prefix), list(contracts.topics().values()), {}
    async with administration(settings) as admin, Registry.connect(settings) as registry:
        await create(admin, names, wanted, replication=1)
        subjects = await apply_subjects(registry, names, wanted)
        schema_id = next(iter(subjects.values()))
        distinct = await load(settings, names, schema_id, count)
        with tempfile.TemporaryDirectory() as folder:
            for contender in contenders(settings, names, schema_id, count, distinct):
                if only and contender.name not in only:
                    continue
                if not contender.output.startswith(names.topic("market.")):
                    await admin.create_topics([NewTopic(contender.output, 12, 1)])
                costs[contender.name] = await measure(settings, contender, Path(folder))
        await admin.delete_topics([names.topic(contract.name) for contract in wanted])
    return costs


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="Messages per CPU second of silver, gold and their alternatives.")
    parser.add_argument("--records", type=int, default=600_000)
    parser.add_argument("--only", action="append", default=[], help="measure this contender alone; may be repeated")
    given = parser.parse_args()
    costs = asyncio.run(bench(given.records, set(given.only)))
    table = Table("contender", "messages", "per CPU second", "µs of CPU a message", "per second", "resident MB")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cost in costs.items():
        numbers = (cost.records, cost.per_cpu_second, cost.records / cost.clock_s, cost.resident_mb)
        records, per_cpu, per_clock, resident = (f"{number:,.0f}" for number in numbers)
        table.add_row(name, records, per_cpu, f"{1e6 / cost.per_cpu_second:.1f}", per_clock, resident)
    Console(stderr=True).print(table)
    sys.stdout.write(json.dumps({name: round(cost.per_cpu_second) for name, cost in costs.items()}) + "\n")


if __name__ == "__main__":
    main()
