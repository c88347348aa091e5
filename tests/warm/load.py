"""The load: batch after batch to every topic, of silver, gold and the letters in transactions, some of them aborted."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from tests.warm.content import Content

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names, partition_for

_ABORTED = 0.1


class Load:
    """Writes until the block ends, so many trades every ``every_s`` seconds, with pauses where it is told to pause."""

    every_s = 0.25
    trades = 6

    def __init__(self, settings: RunSettings, names: Names, content: Content) -> None:
        self.content = content
        self.batches = 0
        self._settings = settings
        self._names = names
        self._rng = random.Random(content.seed + 1)
        self._goes = asyncio.Event()
        self._is_idle = asyncio.Event()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator["Load"]:
        """Write for the length of the block, as its own task."""
        transactional_id = self._names.transactional_id("load", "all", 0)
        plain = clients.producer(self._settings)
        agent = clients.producer(self._settings, transactional_id=transactional_id)
        async with clients.started(plain, self._settings), clients.started(agent, self._settings):
            self._goes.set()
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self._write(plain, agent))
                try:
                    yield self
                finally:
                    task.cancel()

    async def pause(self) -> None:
        """Return once nothing more is written."""
        self._goes.clear()
        await self._is_idle.wait()

    def resume(self) -> None:
        """Go on."""
        self._is_idle.clear()
        self._goes.set()

    async def _write(self, plain: Any, agent: Any) -> None:
        while True:
            if not self._goes.is_set():
                self._is_idle.set()
                await self._goes.wait()
            fed, validated = self.content.batch(self.trades)
            await send(plain, self._names, fed)
            await agent.begin_transaction()
            await send(agent, self._names, validated)
            await (agent.abort_transaction() if self._rng.random() < _ABORTED else agent.commit_transaction())
            self.batches += 1
            await asyncio.sleep(self.every_s)


async def send(producer: Any, names: Names, records: Iterable[Outgoing]) -> None:
    """Write records to the partitions of their keys, and wait until they are."""
    sent = [await _sent(producer, names, record) for record in records]
    await asyncio.gather(*sent)


async def _sent(producer: Any, names: Names, record: Outgoing) -> Any:
    count = names.contract(record.topic).partitions
    return await producer.send(
        names.topic(record.topic),
        record.value,
        key=record.key,
        partition=partition_for(record.key or b"", count),
        timestamp_ms=record.timestamp,
        headers=list(record.headers),
    )
