"""The broker's word on consumer groups: their committed offsets and their partitions' ends; joins no group."""

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.lag import Reading
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.resumption import committed_all, holds


class Broker:
    """Asks for offsets; every method is bounded by ``KAFKA_REQUEST_TIMEOUT_MS``."""

    def __init__(self, settings: KafkaSettings, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._admin = admin
        self._reader = reader  # read_committed: for it a partition ends where the oldest open transaction begins

    @classmethod
    def reader(cls, settings: KafkaSettings) -> AIOKafkaConsumer:
        """Make the client that asks for the ends; the caller starts it."""
        return clients.consumer(settings)

    async def readings(self, group: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Reading]:
        """Ask for a group's offsets and its partitions' ends.

        Raises:
            KafkaError: the broker cannot say now.
        """
        committed = await committed_all(self._admin, group, partitions)
        found = await offset_ranges(self._reader, partitions)
        return {at: Reading(committed[at].offset, span.start, span.stop) for at, span in found.items()}

    async def has_record(self, at: TopicPartition, offsets: range) -> bool:
        """Whether a committed record stands at one of these offsets.

        Raises:
            KafkaError, Unavailable: the broker does not have them any more, or cannot say now.
        """
        try:
            return await holds(self._settings, at, offsets)
        except Halt as error:  # retention took them since the offsets were asked for: the next measurement knows
            raise Unavailable(str(error)) from None
