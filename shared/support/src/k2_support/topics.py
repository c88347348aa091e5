"""Reading and writing whole topics in tests."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

from aiokafka import TopicPartition

from k2_shared.core import contracts
from k2_shared.core.records import Outgoing, by_topic
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import Names, administration, apply_subjects, create

_POLL_MS = 200


def topics_of(*services: str) -> tuple[str, ...]:
    """The topics that services write or read, by their contracts: what ``only`` or the mark ``topics`` may name."""
    return tuple(
        topic.name for topic in contracts.topics().values() if {*topic.producers, *topic.consumers} & {*services}
    )


@dataclass(frozen=True)
class _Lasting(contracts.TopicContract):
    """A topic that keeps everything, in a codec of the broker's choice or as it came."""

    codec: str = "producer"

    @property
    def config(self) -> dict[str, str]:
        return {**super().config, "retention.ms": "-1", "compression.type": self.codec}


async def create_lasting(settings: RunSettings, codec: str = "producer", only: Collection[str] = ()) -> dict[str, int]:
    """Create topics and subjects of the contracts for a run of its own; returns the schema ids by subject.

    All of them, or only those that are named, which spares the broker most of its work. Nothing expires: tests write
    records with fixed times of long ago, which retention would delete now and then.
    """
    names = Names(settings.k2_prefix)
    of = [
        {field.name: getattr(contracts.topics()[topic], field.name) for field in fields(contracts.TopicContract)}
        for topic in only or contracts.topics()
    ]
    wanted = [_Lasting(**each, codec=codec) for each in of]
    async with administration(settings) as admin, SchemaRegistry.connect(settings) as registry:
        await create(admin, names, wanted, replication=1)
        return await apply_subjects(registry, names, wanted)


@asynccontextmanager
async def lasting_topics(
    settings: RunSettings, codec: str = "producer", only: Collection[str] = ()
) -> AsyncIterator[dict[str, int]]:
    """Such topics for the length of a block, which gets the schema ids; deleted afterwards."""
    names = Names(settings.k2_prefix)
    yield await create_lasting(settings, codec, only)
    async with administration(settings) as admin:
        await admin.delete_topics([names.topic(name) for name in only or contracts.topics()])


async def read(settings: KafkaSettings, names: Names, topic: str, *, committed: bool = True) -> list[Any]:
    """Every record of a topic up to its end now; by partition, in order. ``topic`` is the contract's name."""
    found = await read_partitions(settings, names.partitions(topic), committed=committed)
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def read_partitions(settings: KafkaSettings, every: Sequence[TopicPartition], *, committed: bool) -> list[Any]:
    """Every record up to where partitions end now; each partition in order."""
    reader = clients.consumer(settings, committed=committed)
    found: list[Any] = []
    async with clients.started(reader, settings):
        reader.assign(every)
        ends = await reader.end_offsets(every)
        await reader.seek_to_beginning(*every)
        while any([await reader.position(at) < ends[at] for at in every]):
            for batch in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                found += batch
    return found


async def write(settings: KafkaSettings, names: Names, records: Iterable[Outgoing], partition: int = 0) -> None:
    """Write records to one partition."""
    async with clients.started(clients.producer(settings), settings) as sender:
        await send_all(sender, names, partition, by_topic(records))


def values(records: Sequence[Any]) -> list[bytes | None]:
    """The records' values."""
    return [record.value for record in records]
