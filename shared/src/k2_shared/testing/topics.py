"""Reading and writing whole topics in tests."""

from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition

from k2_shared import kafka
from k2_shared.records import Outgoing, by_topic
from k2_shared.settings import KafkaSettings
from k2_shared.topics import Names


async def read(settings: KafkaSettings, names: Names, topic: str, *, committed: bool = True) -> list[Any]:
    """Every record of a topic up to its end now; by partition, in order. ``topic`` is the contract's name."""
    reader = kafka.consumer(settings, committed=committed)
    at = [TopicPartition(names.topic(topic), p) for p in range(names.contract(topic).partitions)]
    found: list[Any] = []
    async with kafka.started(reader, settings):
        reader.assign(at)
        ends = await reader.end_offsets(at)
        await reader.seek_to_beginning(*at)
        while any([await reader.position(tp) < ends[tp] for tp in at]):
            for batch in (await reader.getmany(timeout_ms=200)).values():
                found += batch
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def write(settings: KafkaSettings, names: Names, records: Iterable[Outgoing], partition: int = 0) -> None:
    """Write records to one partition."""
    async with kafka.started(kafka.producer(settings), settings) as sender:
        await kafka.send_all(sender, names, partition, by_topic(records))


def values(records: Sequence[Any]) -> list[bytes | None]:
    """The records' values."""
    return [record.value for record in records]
