"""What gold's memory of 100 million trades costs, and how soon gold writes again after a kill -9 with it.

Run it by ``make bench-state``. The state is built with gold's own classes and written to the state topic as one
checkpoint; gold recovers it from there and works on a live tail of silver records that goes on where it ends.
"""

import argparse
import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.bench.bulk import HOLES, Checkpoint, State, write
from tests.bench.generator import Generator, Load
from tests.bench.harness import Bench, Watch, bounded, facts, own_topics, report, table
from tests.bench.market import Market
from tests.bench.outputs import watching
from tests.bench.recovery import FIRST, SETTLE_S, Golds, Silence, recovery, shared

from k2_shared.kafka.topics import SILVER, STATE

SYMBOLS = 200
CHECKPOINT_S = 5


@dataclass(frozen=True)
class Sizes:
    """What the state takes, and its checkpoints: one of all, and one after some seconds of the live tail."""

    ids: int
    memory_bytes: int
    serialized_bytes: int
    facts_bytes: int
    full: Checkpoint
    increment: Checkpoint
    increment_ids: int


@dataclass(frozen=True)
class Wanted:
    """How many trades are remembered, and the live tail: records a second and how long."""

    ids: int
    rate: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Everything."""

    wanted: Wanted
    sizes: Sizes
    empty_mb: float
    resident_mb: float
    restarts: list[Silence]
    takeover: Silence


def sizes(market: Market, wanted: Wanted, partitions: int) -> Sizes:
    """Build the state and see what it takes."""
    state, each = State(market, partitions), wanted.ids // market.symbols
    state.add(market.first_id, each)
    full = state.checkpoint()
    found = (state.ids(), state.memory_bytes(), state.serialized_bytes(), state.facts_bytes(), full)
    state.add(market.first_id + each, wanted.rate * CHECKPOINT_S // market.symbols)
    return Sizes(*found, state.checkpoint(), state.ids() - found[0])


async def _empty_mb(bench: Bench, golds: Golds) -> float:
    """The resident memory of a gold process that remembers nothing."""
    empty = golds.start("empty")
    await shared(bench, empty)
    watch = Watch(empty.pid)
    watch.look()
    empty.stop()
    return watch.peak_mb


async def measure(bench: Bench, folder: Path, wanted: Wanted) -> Measured:
    """Measure the state, and gold with it under load."""
    market, golds = Market(symbols=SYMBOLS), Golds(bench, folder)
    try:
        empty_mb = await _empty_mb(bench, golds)
        found = sizes(market, wanted, bench.names.contract(STATE).partitions)
        await write(bench, found.full)
        resident_mb, restarts, takeover = await _under_load(bench, golds, wanted, market)
        return Measured(wanted, found, empty_mb, resident_mb, restarts, takeover)
    finally:
        golds.kill()


async def _under_load(
    bench: Bench, golds: Golds, wanted: Wanted, market: Market
) -> tuple[float, list[Silence], Silence]:
    tail_from = market.first_id + wanted.ids // market.symbols
    names, rate, seconds = bench.names, wanted.rate, wanted.seconds
    generator = Generator(Load(names.prefix, SILVER, bench.schema_id, rate, seconds, market.symbols, tail_from))
    try:
        await asyncio.to_thread(generator.begins_ns)
        async with watching(bench) as outputs:
            first = golds.start(FIRST)
            await shared(bench, first)
            watch = Watch(first.pid)
            await asyncio.sleep(SETTLE_S)
            watch.look()
            return watch.peak_mb, *await recovery(bench, golds, first, outputs)
    finally:
        generator.stop()


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_sizes_table(found), _checkpoints_table(found), _silences_table(found)]


def _sizes_table(found: Measured) -> Table:
    sizes, wanted = found.sizes, found.wanted
    said = {
        "bitmaps in memory": _per_id(sizes.memory_bytes, sizes.ids),
        "bitmaps serialized": _per_id(sizes.serialized_bytes, sizes.ids),
        "facts of the newest trades": _per_id(sizes.facts_bytes, sizes.ids),
        "gold resident with nothing remembered": f"{found.empty_mb:.0f} MB",
        f"gold resident with it, at {wanted.rate:,} a second": f"{found.resident_mb:.0f} MB",
    }
    return facts(f"{sizes.ids:,} trades of {SYMBOLS} symbols, {HOLES:.1%} holes", said)


def _per_id(count: int, ids: int) -> str:
    return f"{count:,} bytes, {count / ids:.4f} an id"


def _checkpoints_table(found: Measured) -> Table:
    sizes = found.sizes
    made = table("checkpoints", "of", "records", "bytes", "of it facts", "CPU ms to make")
    increment = f"{sizes.increment_ids:,} more trades, {CHECKPOINT_S} s of the live tail"
    for name, checkpoint in (("everything", sizes.full), (increment, sizes.increment)):
        amounts = (checkpoint.count(), checkpoint.bytes(), checkpoint.bytes("facts/"), 1e3 * checkpoint.cpu_s)
        made.add_row(name, *(f"{amount:,.0f}" for amount in amounts))
    return made


def _silences_table(found: Measured) -> Table:
    columns = ("partitions assigned", "first state restored", "first new gold", "new gold in all", "partitions")
    made = table("seconds from kill -9 until", "successor", *columns)
    named = [(f"restarted, {number}", silence) for number, silence in enumerate(found.restarts, 1)]
    for name, silence in (*named, ("one that runs already", found.takeover)):
        durations = (silence.assigned_s, silence.restored_s, silence.first_s, silence.all_s)
        made.add_row(name, *(f"{span:.2f}" for span in durations), str(silence.partitions))
    return made


def numbers(found: Measured) -> dict[str, float]:
    """What was measured, for programs; of several restarts the slowest."""
    sizes = found.sizes
    return {
        "ids": sizes.ids,
        "bytes_per_id": round(sizes.memory_bytes / sizes.ids, 6),
        "serialized_bytes_per_id": round(sizes.serialized_bytes / sizes.ids, 6),
        "facts_bytes": sizes.facts_bytes,
        "checkpoint_bytes": sizes.full.bytes(),
        "increment_bytes": sizes.increment.bytes(),
        "increment_cpu_ms": round(1e3 * sizes.increment.cpu_s, 1),
        "restart_first_s": round(max(silence.first_s for silence in found.restarts), 2),
        "restart_all_s": round(max(silence.all_s for silence in found.restarts), 2),
        "takeover_first_s": round(found.takeover.first_s, 2),
        "takeover_all_s": round(found.takeover.all_s, 2),
        "resident_mb": round(found.resident_mb),
        "resident_empty_mb": round(found.empty_mb),
    }


async def run(wanted: Wanted) -> Measured:
    """Measure on topics of its own."""
    async with own_topics() as bench:
        with tempfile.TemporaryDirectory() as folder:
            return await measure(bench, Path(folder), wanted)


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="Gold's memory of many trades, and its recovery with it.")
    parser.add_argument("--ids", type=int, default=100_000_000)
    parser.add_argument("--rate", type=int, default=2_000, help="records a second of the live tail")
    parser.add_argument("--seconds", type=float, default=180.0, help="of the live tail; enough for every kill")
    found = bounded(run(Wanted(**vars(parser.parse_args()))))
    report(tables(found), numbers(found))


if __name__ == "__main__":
    main()
