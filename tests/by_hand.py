"""What is done by hand, rightly or not: a group that is set elsewhere, a topic that is made anew."""

import random
from collections.abc import Sequence
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.faults.supervisor import until

from k2_shared.core import contracts
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka.topics import Names, administration, create

To = Literal["0", "random offsets", "the ends"]


async def set_group(
    settings: KafkaSettings, group: str, every: Sequence[TopicPartition], to: To, rng: random.Random
) -> dict[TopicPartition, int]:
    """Set a group's offsets of some partitions; returns what they are then."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await reader.start()
    try:
        reader.assign(every)
        ends = await reader.end_offsets(every)
        targets = {"0": lambda _end: 0, "random offsets": lambda end: rng.randint(0, end), "the ends": int}
        moved = {at: targets[to](end) for at, end in ends.items()}
        await reader.commit(moved)
        return moved
    finally:
        await reader.stop()


async def recreate_topic(settings: RunSettings, names: Names, topic: str) -> None:
    """Delete a topic of a contract, wait until it is gone, and create it."""
    name = names.topic(topic)
    async with administration(settings) as admin:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            (found,) = await admin.describe_topics([name])
            return bool(found["error_code"])

        await until(is_gone, "the deletion")
        await create(admin, names, [contracts.topics()[topic]], 1)
