"""How long a trade takes from its receipt until a reader of the Iceberg tables finds it, under a load that goes on.

Load generators write each trade to bronze's topics and to gold's when it is due, which counts as its receipt. A reader
asks the catalog again and again for the tables' heads: a row is found with the first head that has its batch.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pyiceberg.table import Table
from tests.bench.generator import TICK_S, Generator, Load
from tests.bench.harness import Machine, Watch, broker_pid, counter
from tests.bench.lake_place import LakePlace, lake_place
from tests.bench.lake_speed import TOPICS

from k2_shared.core.lake_settings import SinkIdSettings
from k2_shared.kafka.topics import Names, partition_for
from k2_support.children import Child
from k2_support.waiting import came_true

WARM_UP_S = 15.0
CYCLE_S = 15.0  # of a load that is made once and written again and again
SETTLE_S = 10.0
QUANTILES = (0.5, 0.99)
_POLL_S = 0.25
_PATIENCE_S = 120.0

Longs = npt.NDArray[np.int64]
Place = tuple[str, int]
"""A topic and a partition."""


@dataclass
class Sightings:
    """The batches of a table by snapshot: by partition from which to which offset, and when a reader found it (µs).

    ``files`` are all data files that they brought.
    """

    found: dict[int, tuple[Mapping[Place, tuple[int, int]], int]] = field(default_factory=dict)
    files: int = 0

    def look(self, table: Table) -> None:
        """Note what the table's head has now."""
        sink_id = SinkIdSettings.load().sink_id
        table.refresh()
        now_us = time.time_ns() // 1_000
        for snapshot in table.metadata.snapshots:
            said = snapshot.summary.additional_properties if snapshot.summary else {}
            if snapshot.snapshot_id not in self.found:
                batch = json.loads(said.get(f"sink.{sink_id}.batch", "{}"))
                self.found[snapshot.snapshot_id] = (dict(_ranges(batch)), now_us)
                self.files += int(said.get("added-data-files", 0))


@dataclass(frozen=True)
class Fresh:
    """How long rows of a table took (ms), and in how many commits and files they came."""

    rows: int
    p50_ms: float
    p99_ms: float
    commits: int
    files: int


@dataclass(frozen=True)
class Arrivals:
    """What was found of tables at a rate, and how the sink held it.

    ``lag`` are the records that it had not committed some seconds after the last, ``failed`` the attempts that failed;
    ``cpu`` are CPU seconds of each process per second of the clock.
    """

    rate: float
    seconds: float
    tables: Mapping[str, Fresh]
    lag: int
    failed: int
    cpu: Mapping[str, float]
    peak_mb: float


async def measure_arrivals(rate: int, seconds: float, interval_s: float) -> Arrivals:
    """Put a sink of its own under load, which commits at the latest so long after a batch's first row."""
    async with lake_place() as place:
        sink = await place.sink(SINK_INTERVAL_S=str(interval_s))
        loads = {name: _load(place, topic, rate, seconds) for name, topic in TOPICS.items()}
        with ExitStack() as ending:
            ending.callback(sink.stop)
            generators = {name: Generator(load) for name, load in loads.items()}
            for each in generators.values():
                ending.callback(each.stop)
            return await _under_load(place, sink, loads, generators)


def _load(place: LakePlace, topic: str, rate: int, seconds: float) -> Load:
    cycles = round((WARM_UP_S + seconds) / CYCLE_S)
    return Load(place.bench.names.prefix, topic, place.bench.schema_id, rate, CYCLE_S, cycles=cycles)


async def _under_load(
    place: LakePlace, sink: Child, loads: Mapping[str, Load], generators: Mapping[str, Generator]
) -> Arrivals:
    tables, seen = {name: place.table(name) for name in loads}, {name: Sightings() for name in loads}
    begun_us = {name: await asyncio.to_thread(each.begins_ns) // 1_000 for name, each in generators.items()}
    looking = asyncio.create_task(_look(tables, seen))
    watch, machine, began = Watch(sink.pid), Machine(), time.monotonic()
    broker = broker_pid(place.bench)
    watches = {"sink": watch} | ({"broker": Watch(broker)} if broker else {})
    written = [await asyncio.to_thread(each.result) for each in generators.values()]
    seconds, rows = time.monotonic() - began, sum(each.records for each in written)
    cpu = {name: each.look() / seconds for name, each in watches.items()}
    busy_s, there_were = machine.look()
    cpu |= {"generators": sum(each.cpu_s for each in written) / seconds, "idle": (there_were - busy_s) / seconds}
    await came_true(lambda: _lag(sink, watch, rows) == 0, SETTLE_S, _POLL_S)
    lag = _lag(sink, watch, rows)
    if not await came_true(lambda: _lag(sink, watch, rows) == 0, _PATIENCE_S, _POLL_S):
        raise SystemExit(f"the tables lack {_lag(sink, watch, rows):,} of {rows:,} rows")
    looking.cancel()
    for name, table in tables.items():
        seen[name].look(table)
    fresh = {name: _fresh(seen[name], delays_ms(seen[name], loads[name], begun_us[name])) for name in loads}
    rate = rows / sum(each.seconds for each in written)
    return Arrivals(rate, seconds, fresh, lag, int(counter(sink, "k2_errors")), cpu, watch.peak_mb)


async def _look(tables: Mapping[str, Table], seen: Mapping[str, Sightings]) -> None:
    while True:
        for name, table in tables.items():
            await asyncio.to_thread(seen[name].look, table)
        await asyncio.sleep(_POLL_S)


def _lag(sink: Child, watch: Watch, rows: int) -> int:
    sink.check()
    watch.look()
    return rows - int(counter(sink, "k2_table_rows"))


def _fresh(seen: Sightings, delays: npt.NDArray[np.float64]) -> Fresh:
    p50, p99 = (float(ms) for ms in np.quantile(delays, QUANTILES, method="inverted_cdf"))
    return Fresh(len(delays), p50, p99, len(seen.found), seen.files)


def delays_ms(seen: Sightings, load: Load, begin_us: int) -> npt.NDArray[np.float64]:
    """From when it was due to the first look that found it, of each record but those of the warm-up."""
    due, found = due_us(load), []
    for batch, seen_us in seen.found.values():
        for at, (start, end) in batch.items():
            received = due[at][start:end]
            found.append((seen_us - begin_us - received[received >= WARM_UP_S * 1e6]) / 1e3)
    return np.concatenate(found)


def due_us(load: Load) -> Mapping[Place, Longs]:
    """By partition, when the record of each offset was due after the first."""
    names, ticks = Names(load.prefix), dict[Place, list[int]]()
    for tick in range(load.ticks):
        for trade in map(load.market.trade, load.due(tick)):
            topic = names.topic(load.topic.format(exchange=trade.exchange.lower()))
            at = (topic, partition_for(trade.key, names.contract(topic).partitions))
            ticks.setdefault(at, []).append(tick)
    cycles = np.arange(load.cycles)[:, None] * load.ticks
    tick_us = round(TICK_S * 1e6)
    return {at: ((cycles + np.array(each)) * tick_us).ravel() for at, each in ticks.items()}


def _ranges(batch: Mapping[str, Mapping[str, Sequence[int]]]) -> Iterator[tuple[Place, tuple[int, int]]]:
    for topic, partitions in batch.items():
        for partition, (start, end) in partitions.items():
            yield (topic, int(partition)), (start, end)
