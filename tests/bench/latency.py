"""How long a trade takes from the receipt of its frame to gold that a read_committed consumer reads.

Run it by ``make bench-latency``. Load generator, silver, gold and reader are processes of their own, and the broker
runs on the same machine. Four symbols are what the agents subscribe to by default; 96 keep every partition of both
exchanges busy, which is what costs: each has its transactions. The reader takes every gold record, and a sample of
the partitions of bronze and silver: bronze has nothing of K2 before it, so its delay is what the harness adds.
"""

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from tests.bench.arrivals import Arrivals, arriving
from tests.bench.generator import Generator, Load, Written
from tests.bench.harness import Bench, Machine, Watch, bounded, broker_pid, counter, facts, own_topics, report, table

from k2_shared.kafka.topics import BRONZE, EXCHANGES, GOLD, SILVER
from k2_support.children import Child
from k2_support.waiting import came_true

JVM_WARM_UP_S = 100.0  # at half the rate: for so long a broker that has just started compiles itself beside its work
AGENTS_WARM_UP_S = 15.0  # the same, where the broker has worked before
WARM_UP_S = 8.0
PATIENCE_S = 60.0
SAMPLED = range(2)
LOOK_NS = 1_000_000_000
AGENTS = ("silver", "gold")


@dataclass(frozen=True)
class Cost:
    """What an agent took while it was measured."""

    cpu_s: float
    peak_mb: float
    transactions: float


@dataclass(frozen=True)
class Costs:
    """What everything took while it was measured; CPU in seconds."""

    agents: dict[str, Cost]
    broker_s: float | None
    reader_s: float
    machine_s: float
    available_s: float


@dataclass(frozen=True)
class Measured:
    """The arrivals by stage, what was written and what it cost."""

    load: Load
    begin_ns: int
    written: Written
    gold_found: int
    stages: dict[str, Arrivals]
    costs: Costs

    @property
    def seconds(self) -> float:
        """For how long was measured."""
        return self.load.seconds - WARM_UP_S


async def measure(bench: Bench, folder: Path, load: Load, warm_up_s: float) -> Measured:
    """Start the agents, put them under load and watch what arrives."""
    agents = [Child.agent(name, {"K2_PREFIX": bench.names.prefix}, folder) for name in AGENTS]
    try:
        for agent in agents:
            agent.start()
        for agent in agents:
            await asyncio.to_thread(agent.wait_ready)
        async with AsyncExitStack() as stack:
            stages = {name: await stack.enter_async_context(stage) for name, stage in _stages(bench).items()}
            await _warm_up(stages["gold"], replace(load, seconds=warm_up_s))
            return await _under_load(bench, agents, stages, load)
    finally:
        for agent in agents:
            agent.stop()


def _stages(bench: Bench) -> dict[str, Any]:
    def topics(pattern: str) -> list[str]:
        return [pattern.format(exchange=exchange.lower()) for exchange in EXCHANGES]

    return {
        "bronze": arriving(bench, topics(BRONZE), SAMPLED),
        "silver": arriving(bench, topics(SILVER), SAMPLED),
        "gold": arriving(bench, [GOLD], range(bench.names.contract(GOLD).partitions)),
    }


async def _warm_up(gold: Arrivals, load: Load) -> None:
    """Let everything run at half the rate, with other ids."""
    generator = Generator(replace(load, rate=load.rate // 2, first_id=2 * load.first_id))
    try:
        await asyncio.to_thread(generator.begins_ns)
        await _all_arrived(gold, (await asyncio.to_thread(generator.result)).distinct)
    finally:
        generator.stop()


async def _under_load(bench: Bench, agents: list[Child], stages: dict[str, Arrivals], load: Load) -> Measured:
    generator, before = Generator(load), len(stages["gold"].delays)
    try:
        begin_ns = int((await asyncio.to_thread(generator.begins_ns)) + WARM_UP_S * 1e9)
        await _until(begin_ns)
        costs = await _costs(bench, agents, begin_ns + int((load.seconds - WARM_UP_S) * 1e9))
        written = await asyncio.to_thread(generator.result)
        await _all_arrived(stages["gold"], before + written.distinct)
    finally:
        generator.stop()
    return Measured(load, begin_ns, written, len(stages["gold"].delays) - before, stages, costs)


async def _until(time_ns: int) -> None:
    await asyncio.sleep(max(0.0, (time_ns - time.time_ns()) / 1e9))


async def _costs(bench: Bench, agents: list[Child], end_ns: int) -> Costs:
    """What everything takes from now to a time."""
    broker = broker_pid(bench)
    watched = [Watch(broker)] if broker else []
    watches, reader, machine = [Watch(agent.pid) for agent in agents], Watch(os.getpid()), Machine()
    before = [_transactions(agent) for agent in agents]
    while time.time_ns() < end_ns:
        await _until(min(end_ns, time.time_ns() + LOOK_NS))
        for watch in watches:
            watch.look()
    found = {
        agent.module: Cost(watch.look(), watch.peak_mb, _transactions(agent) - transactions)
        for agent, watch, transactions in zip(agents, watches, before, strict=True)
    }
    return Costs(found, sum(watch.look() for watch in watched) if watched else None, reader.look(), *machine.look())


def _transactions(agent: Child) -> float:
    return counter(agent, "k2_transactions", outcome="committed")


async def _all_arrived(gold: Arrivals, wanted: int) -> None:
    if not await came_true(lambda: len(gold.delays) >= wanted, PATIENCE_S, 0.1):
        raise SystemExit(f"gold has {len(gold.delays)} of {wanted} trades {PATIENCE_S:.0f} s after the last one")


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_delays(found), _taken(found), _load(found)]


def _delays(found: Measured) -> Table:
    made = table(
        f"from receipt to readable, ms; {found.load.symbols} symbols", "stage", "p50", "p99", "p99.9", "measured on"
    )
    said = {
        "bronze": "a sample of partitions; what generator, broker and reader add",
        "silver": "a sample of partitions",
        "gold": "every record",
    }
    for name, arrivals in found.stages.items():
        made.add_row(name, *(f"{ms:,.0f}" for ms in arrivals.quantiles(found.begin_ns)), said[name])
    return made


def _taken(found: Measured) -> Table:
    costs, seconds = found.costs, found.seconds
    made = table(f"taken in {seconds:.0f} s", "process", "CPU seconds", "peak resident MB", "transactions a second")
    for name, cost in costs.agents.items():
        made.add_row(name, f"{cost.cpu_s:.1f}", f"{cost.peak_mb:.0f}", f"{cost.transactions / seconds:,.0f}")
    generator_s = found.written.cpu_s * seconds / found.load.seconds
    ours = sum(cost.cpu_s for cost in costs.agents.values()) + generator_s + costs.reader_s
    broker = "not on this machine" if costs.broker_s is None else f"{costs.broker_s:.1f}"
    made.add_row("broker", broker)
    made.add_row("generator", f"{generator_s:.1f}")
    made.add_row("reader", f"{costs.reader_s:.1f}")
    made.add_row("anything else here", f"{costs.machine_s - ours - (costs.broker_s or 0.0):.1f}")
    made.add_row("idle", f"{costs.available_s - costs.machine_s:.1f}")
    return made


def _load(found: Measured) -> Table:
    written = found.written
    said = {
        "records written, warm-up included": f"{written.records:,}",
        "gold records found": f"{found.gold_found:,} of {written.distinct:,}",
        "records per second": f"{written.records / written.seconds:,.0f} of {found.load.rate:,}",
        "generator late, p50 and p99 ms": f"{written.late_p50_ms:.1f} and {written.late_p99_ms:.1f}",
    }
    return facts("load", said)


def numbers(found: Measured) -> dict[str, float]:
    """What was measured, for programs."""
    gold, silver = (found.stages[name].quantiles(found.begin_ns) for name in ("gold", "silver"))
    named = dict(zip(("p50_ms", "p99_ms", "p999_ms"), gold, strict=True))
    named |= {"rate": found.written.records / found.written.seconds, "messages": found.written.records}
    named |= {"silver_p50_ms": silver[0], "silver_p99_ms": silver[1]}
    for name, cost in found.costs.agents.items():
        named |= {f"{name}_cpu_s": cost.cpu_s, f"{name}_resident_mb": cost.peak_mb}
    return {name: round(number, 1) for name, number in named.items()}


async def bench(rate: int, seconds: float, symbols: int, warm_up_s: float) -> Measured:
    """Measure on topics of its own."""
    async with own_topics() as place:
        with tempfile.TemporaryDirectory() as folder:
            load = Load(place.names.prefix, BRONZE, place.schema_id, rate, WARM_UP_S + seconds, symbols)
            return await measure(place, Path(folder), load, warm_up_s)


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="From the receipt of a frame to readable gold.")
    parser.add_argument("--rate", type=int, default=10_000, help="records a second")
    parser.add_argument(
        "--symbols", type=int, nargs="+", default=[4, 96], help="over both exchanges, one after another"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="measured, after a warm-up")
    given = parser.parse_args()
    shown, said = list[Table](), dict[str, float]()
    for count in given.symbols:
        warm_up_s = AGENTS_WARM_UP_S if said else JVM_WARM_UP_S
        found = bounded(bench(given.rate, given.seconds, count, warm_up_s))
        shown += tables(found)
        said |= {f"symbols_{count}_{name}" if said else name: number for name, number in numbers(found).items()}
    report(shown, said)


if __name__ == "__main__":
    main()
