"""Where partitions begin and end at the broker; what is not committed yet counts for a read_uncommitted consumer."""

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition

from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients


async def offset_ranges(
    reader: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, range]:
    """The offsets that partitions have now, as a started consumer sees them: for a read_committed one a partition ends
    where the oldest open transaction begins. Takes two requests a broker.

    Raises:
        KafkaError: the broker cannot say now.
    """
    asked = list(partitions)
    starts, ends = await reader.beginning_offsets(asked), await reader.end_offsets(asked)
    return {at: range(starts[at], ends[at]) for at in asked}


async def offset_range(reader: AIOKafkaConsumer, at: TopicPartition) -> range:
    """The offsets that one partition has now, as ``offset_ranges``."""
    return (await offset_ranges(reader, [at]))[at]


async def offset_ranges_now(
    settings: KafkaSettings, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, range]:
    """The offsets that partitions have now, uncommitted records included; asked on a connection of its own.

    Raises:
        KafkaError, Unavailable: the broker cannot say now.
    """
    reader = clients.consumer(settings, committed=False)
    async with clients.started(reader, settings):
        return await offset_ranges(reader, partitions)
