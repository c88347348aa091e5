"""The committed offset at which an input partition is resumed, believed only where nothing contradicts it.

aiokafka's ``AIOKafkaConsumer.committed`` takes a coordinator that is still loading its groups for one that knows no
offset (it overlooks the error of OffsetFetch version 3), so its admin client is asked, which leaves such a partition
out. And a broker may have forgotten: see .github/decisions/0004.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from k2_shared.core.errors import Unavailable
from k2_shared.core.records import Consumed
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's committed offset of one partition, None where it says that there never was one, and its metadata."""

    group: str
    at: TopicPartition
    offset: int | None
    metadata: str = ""

    def doubt(self, evidence: str) -> Unavailable:
        """The error for an offset that is too old for what is known."""
        return Unavailable(
            f"{self.group} has no or too old an offset ({self.offset}) of {self.at.topic}[{self.at.partition}]: "
            f"restart the broker in order, or set the offset by hand; {evidence}"
        )

    def check(self, known: int, evidence: str) -> None:
        """Compare with an offset that was committed once.

        Raises:
            Unavailable: this one is older.
        """
        if (self.offset or 0) < known:
            raise self.doubt(f"{evidence} {known}")


async def committed(admin: AIOKafkaAdminClient, group: str, at: TopicPartition) -> Committed:
    """Ask for a committed offset.

    Raises:
        KafkaError: the group's coordinator cannot say now.
    """
    return (await committed_all(admin, group, [at]))[at]


async def committed_all(
    admin: AIOKafkaAdminClient, group: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, Committed]:
    """Ask for a group's committed offsets.

    Raises:
        KafkaError: the group's coordinator cannot say now.
    """
    found = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    if not found.keys() >= set(partitions):
        raise KafkaError(f"the coordinator of {group} does not know its offsets yet")
    return {at: _committed(group, at, *found[at]) for at in partitions}


def _committed(group: str, at: TopicPartition, offset: int, metadata: str | None) -> Committed:
    """What a coordinator says of a partition; it says -1 where nothing was committed."""
    return Committed(group, at, offset if offset >= 0 else None, metadata or "")


async def holds(
    settings: KafkaSettings, at: TopicPartition, span: range, wanted: Callable[[Consumed], bool] = lambda _: True
) -> bool:
    """Whether a partition holds a committed record, or one that is wanted."""
    async for batch in clients.replay(settings, at, span.start, span.stop):
        if any(map(wanted, batch)):
            return True
    return False
