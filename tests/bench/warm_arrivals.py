"""How long a trade takes from its receipt until a query finds its row in gold_trades.

The load generator writes a trade when it is due, which counts as its receipt. A query finds out again and again up to
which offset of each partition there are rows: a sink inserts a partition's in their order.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from tests.bench.clickhouse import beside
from tests.bench.generator import Generator, Load
from tests.bench.harness import Machine, Watch, broker_pid, until_table_has
from tests.bench.warm_place import TABLE, WarmPlace, started, warm_place

from k2_shared.kafka.topics import GOLD
from k2_shared.warm.client import connect
from k2_support.children import Child

WARM_UP_S = 8.0
QUANTILES = (0.5, 0.99)
_POLL_S = 0.05
_ENDS = f"SELECT kafka_partition, max(kafka_offset) FROM {TABLE} GROUP BY kafka_partition"  # noqa: S608  # its name
_ROWS = f"SELECT kafka_partition, kafka_offset, symbol, source_sequence FROM {TABLE}"  # noqa: S608

Row = tuple[int, int, str, int]
"""Partition, offset, symbol, id."""
Longs = npt.NDArray[np.int64]


@dataclass
class Sightings:
    """By partition, when which offset was the last that a query found: times (us) and offsets, both ascending."""

    times: list[int] = field(default_factory=list)
    ends: list[Mapping[int, int]] = field(default_factory=list)

    def look(self, client: Client) -> None:
        """Ask now; what is found was there at the answer at the latest."""
        ends = dict(client.query(_ENDS).result_rows)
        self.times.append(time.time_ns() // 1_000)
        self.ends.append(ends)

    def look_and_wait(self, client: Client) -> None:
        """Ask, and pause before the next time."""
        self.look(client)
        time.sleep(_POLL_S)

    def first_seen(self, partition: int, offsets: Longs) -> Longs:
        """When each offset of a partition was found first (us)."""
        ends = np.array([each.get(partition, -1) for each in self.ends])
        return np.array(self.times)[np.searchsorted(ends, offsets)]


@dataclass(frozen=True)
class Queryable:
    """How long rows took (ms), at which rate, and the CPU seconds of each process per second of the clock."""

    rate: float
    rows: int
    p50_ms: float
    p99_ms: float
    late_p99_ms: float
    cpu: Mapping[str, float]


def delays_ms(seen: Sightings, rows: Sequence[Row], load: Load, begin_us: int) -> npt.NDArray[np.float64]:
    """From when it was due to the first query that found it, of each row but those of the warm-up."""
    market = load.market
    due = [(at, offset, load.due_us(market.number(symbol, each))) for at, offset, symbol, each in rows]
    partitions, offsets, received = np.array(due, np.int64).T
    found = []
    for partition in np.unique(partitions):
        chosen = (partitions == partition) & (received >= WARM_UP_S * 1e6)
        first_seen = seen.first_seen(int(partition), offsets[chosen])
        found.append((first_seen - received[chosen] - begin_us) / 1e3)
    return np.concatenate(found)


async def measure_arrivals(pattern: str, rate: int, seconds: float, agents: Sequence[str]) -> Queryable:
    """Put agents of a place of their own under load from the topics of a pattern on, and look what is found when."""
    async with warm_place() as place:
        children = [place.agent(name) for name in agents]
        try:
            await started(*children)
            load = Load(place.bench.names.prefix, pattern, place.bench.schema_id, rate, WARM_UP_S + seconds)
            return await _under_load(place, children, load)
        finally:
            for child in children:
                child.stop()


async def _under_load(place: WarmPlace, agents: Sequence[Child], load: Load) -> Queryable:
    sink, seen, generator = agents[-1], Sightings(), Generator(load)
    with closing(connect(place.settings, place.tables.database)) as client:
        try:
            begin_ns = await asyncio.to_thread(generator.begins_ns)
            with beside(lambda: seen.look_and_wait(client)):
                used = await _used(place, agents, begin_ns / 1e9 + load.seconds)
                written = await asyncio.to_thread(generator.result)
                rows = written.records if load.topic == GOLD else written.distinct
                await until_table_has(sink, Watch(sink.pid), TABLE, rows)
            seen.look(client)
            found = delays_ms(seen, client.query(_ROWS).result_rows, load, begin_ns // 1_000)
        finally:
            generator.stop()
    p50, p99 = (float(ms) for ms in np.quantile(found, QUANTILES, method="inverted_cdf"))
    used["generator"] = written.cpu_s / load.seconds
    return Queryable(written.records / written.seconds, len(found), p50, p99, written.late_p99_ms, used)


async def _used(place: WarmPlace, agents: Sequence[Child], end_s: float) -> dict[str, float]:
    """CPU seconds per second of the clock from the warm-up's end to a time, by process; what was idle among them."""
    await asyncio.sleep(max(0.0, time.time() - end_s + WARM_UP_S))
    broker = broker_pid(place.bench)
    watches = {agent.module: Watch(agent.pid) for agent in agents} | ({"broker": Watch(broker)} if broker else {})
    machine, server_s, began = Machine(), place.server_s(), time.monotonic()
    await asyncio.sleep(max(0.0, end_s - time.time()))
    took = {name: watch.look() for name, watch in watches.items()}
    if server_s is not None and (now_s := place.server_s()) is not None:
        took["server"] = now_s - server_s
    busy_s, there_were = machine.look()
    took["idle"] = there_were - busy_s
    return {name: each / (time.monotonic() - began) for name, each in took.items()}
