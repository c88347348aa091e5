"""A sandbox on a broker for the checks: topics, producers, and committed and uncommitted reads."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import administration

SETTLED_S = 60.0
_POLL_S = 0.1
_TRANSACTION_MS = 120_000  # longer than a check leaves one open on a slow machine, so that none ends by itself


class BrokerFailed(Exception):
    """The broker broke a promise; the text says which, and what was seen."""


def expect(condition: bool, promise: str) -> None:
    """Fail with ``BrokerFailed`` unless the condition holds."""
    if not condition:
        raise BrokerFailed(promise)


@dataclass
class Sandbox:
    """One probe's topics, transactional ids and groups on a broker, all under the prefix ``run``."""

    settings: KafkaSettings
    admin: AIOKafkaAdminClient
    run: str
    created: list[str] = field(default_factory=list)

    async def topic(self, name: str, **config: str) -> TopicPartition:
        """A new topic of one partition."""
        topic = f"{self.run}.{name}"
        await self.admin.create_topics([NewTopic(topic, 1, 1, topic_configs=config)])
        self.created.append(topic)
        at = TopicPartition(topic, 0)
        async with self.writer() as sender:
            await sender.partitions_for(topic)
        return at

    async def has(self, name: str) -> bool:
        """Whether a topic of this run is there."""
        return f"{self.run}.{name}" in await self.admin.list_topics()

    async def found(self, name: str) -> TopicPartition:
        """A topic that an earlier sandbox of this run has kept; it is deleted with this one's."""
        topic = f"{self.run}.{name}"
        expect(await self.has(name), f"the topic {topic} is there, which was written before")
        self.created.append(topic)
        return TopicPartition(topic, 0)

    @asynccontextmanager
    async def writer(self, transactional_id: str | None = None) -> AsyncIterator[clients.Producer]:
        """A producer, transactional where it has an id; starting one fences the id's other owners."""
        name = f"{self.run}.{transactional_id}" if transactional_id else None
        sender = clients.producer(self.settings, transactional_id=name, transaction_ms=_TRANSACTION_MS)
        async with clients.started(sender, self.settings):
            yield sender

    async def write(self, sender: clients.Producer, at: TopicPartition, count: int) -> None:
        """Write records and await each delivery."""
        deliveries = [await sender.send(at.topic, b"%d" % n, b"k%d" % n, partition=at.partition) for n in range(count)]
        for delivery in deliveries:
            await delivery

    async def read(self, at: TopicPartition, *, committed: bool = True) -> list[Any]:
        """Every record up to the end that this view has now."""
        reader = clients.consumer(self.settings, committed=committed)
        found: list[Any] = []
        async with clients.started(reader, self.settings):
            reader.assign([at])
            end = (await reader.end_offsets([at]))[at]
            await reader.seek_to_beginning(at)
            while await reader.position(at) < end:
                found += (await reader.getmany(at, timeout_ms=200)).get(at, [])
        return found

    async def end(self, at: TopicPartition, *, committed: bool = True) -> int:
        """The end of a partition: the last stable offset, or the high watermark."""
        async with clients.started(clients.consumer(self.settings, committed=committed), self.settings) as reader:
            return int((await reader.end_offsets([at]))[at])

    async def settled(self, at: TopicPartition) -> None:
        """Wait until no transaction is open in a partition: the broker answers a commit before its markers stand."""
        deadline = time.monotonic() + SETTLED_S
        while await self.end(at) < await self.end(at, committed=False):
            expect(time.monotonic() < deadline, f"a transaction's end stands in {at.topic} within {SETTLED_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def moved(self, group: str, at: TopicPartition, offset: int) -> int | None:
        """Wait until a group stands at an offset; returns where it stands at last."""
        deadline = time.monotonic() + SETTLED_S
        while True:
            found = await self.group_offset(group, at)
            if found == offset or time.monotonic() > deadline:
                return found
            await asyncio.sleep(_POLL_S)

    async def group_offset(self, group: str, at: TopicPartition) -> int | None:
        """The offset that a group has committed."""
        reader = clients.consumer(self.settings, group=self.group(group))
        async with clients.started(reader, self.settings):
            offset: int | None = await reader.committed(at)
            return offset

    def group(self, name: str) -> str:
        """A group's name in this run."""
        return f"{self.run}.{name}"


@asynccontextmanager
async def sandbox(settings: KafkaSettings, run: str | None = None, *, keep: bool = False) -> AsyncIterator[Sandbox]:
    """A place on the broker, its own or an earlier one by name; its topics are deleted at the end, or kept.

    Raises:
        Unavailable: no broker answers, or it does not forget the topics that it has deleted.
    """
    async with administration(settings) as admin:
        place = Sandbox(settings, admin, f"k2-probe-{run or uuid.uuid4().hex[:8]}")
        try:
            yield place
        finally:
            if place.created and not keep:
                await _delete(admin, place.created)


async def _delete(admin: AIOKafkaAdminClient, topics: list[str]) -> None:
    """Delete topics and wait until none is listed any more: the broker answers before it has forgotten them."""
    try:
        await admin.delete_topics(topics)
    except UnknownTopicOrPartitionError:
        return  # somebody else has tidied up
    deadline = time.monotonic() + SETTLED_S
    while left := set(topics) & set(await admin.list_topics()):
        if time.monotonic() > deadline:
            raise Unavailable(f"the broker lists {', '.join(sorted(left))} {SETTLED_S:.0f} s after it has deleted them")
        await asyncio.sleep(_POLL_S)
