"""When gold writes again after the death of a process: the first new record of each partition that it owned."""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from tests.bench.harness import Bench

from k2_shared.core.trade import Exchange, record_key
from k2_shared.kafka import clients
from k2_shared.kafka.topics import EXCHANGES, GOLD
from k2_shared.stages.recovery import RESTORED
from k2_shared.stages.transactions import REVOKED
from k2_support.children import Child
from k2_support.logs import events
from k2_support.waiting import came_true

POLL_MS = 50
Place = tuple[Exchange, int]


class Outputs:
    """Sees every committed gold record; notes the first ones of what is awaited."""

    def __init__(self, bench: Bench, committed: Any, ends: Any) -> None:
        self._bench = bench
        self._committed = committed
        self._ends = ends
        self._after: dict[int, int] = {}
        self.awaited: set[Place] = set()
        self.found: dict[Place, datetime] = {}

    async def expect(self, owned: Set[Place]) -> None:
        """Await what is written from now on; all that a dead process has written, in doubt or not, is before that."""
        topic = self._bench.names.topic(GOLD)
        at = [TopicPartition(topic, partition) for partition in {partition for _, partition in owned}]
        ends = await self._ends.end_offsets(at)
        self._after = {tp.partition: end for tp, end in ends.items()}
        self.found, self.awaited = {}, set(owned)

    async def wait(self, count: int, timeout_s: float) -> datetime:
        """When so many of the awaited partitions had a new record."""
        if not await came_true(lambda: len(self.found) >= count, timeout_s, POLL_MS / 1e3):
            raise SystemExit(f"{len(self.found)} of {count} partitions have new gold after {timeout_s:.0f} s")
        return max(sorted(self.found.values())[:count])

    async def read(self) -> None:
        """Read until cancelled."""
        while True:
            for at, records in (await self._committed.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    self._see(at.partition, record)

    def _see(self, partition: int, record: Any) -> None:
        if not self.awaited or record.offset < self._after.get(partition, 0):
            return
        exchange = next(name for name in EXCHANGES if record.key.startswith(record_key(name, "")))
        if (exchange, partition) in self.awaited:
            self.awaited.discard((exchange, partition))
            self.found[exchange, partition] = datetime.now(UTC)


@asynccontextmanager
async def watching(bench: Bench) -> AsyncIterator[Outputs]:
    """Watch all of gold from its end."""
    settings = bench.settings
    async with (
        clients.started(clients.consumer(settings), settings) as committed,
        clients.started(clients.consumer(settings, committed=False), settings) as ends,
    ):
        at = bench.names.partitions(GOLD)
        committed.assign(at)
        await committed.seek_to_end(*at)
        outputs = Outputs(bench, committed, ends)
        reading = asyncio.create_task(outputs.read())
        try:
            yield outputs
        finally:
            reading.cancel()
            await asyncio.wait([reading])


def owned(agent: Child) -> set[Place]:
    """The input partitions that a process works on: it gives up all of them at every revoke."""
    found: set[Place] = set()
    for event in events(agent.log, RESTORED, REVOKED):
        if event["event"] == REVOKED:
            found.clear()
        else:
            exchange = next(name for name in EXCHANGES if event["topic"].endswith(f".{name.lower()}"))
            found.add((exchange, int(event["partition"])))
    return found


def first(agent: Child, name: str, since: datetime) -> datetime:
    """When a process first said something since a time."""
    times = (datetime.fromisoformat(event["timestamp"]) for event in events(agent.log, name))
    return next(at for at in times if at >= since)
