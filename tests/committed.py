"""Every committed record of topics, as a plain consumer finds them: what tables that are filled from them must hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names

_POLL_MS = 500


@dataclass
class CommittedRecords:
    """Reads topics on, for each of several readers by itself."""

    settings: RunSettings
    names: Names
    _next: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)

    async def read_on(self, reader: str, topics: Sequence[str]) -> list[Any]:
        """The records up to the topics' ends as they are now that a reader has not had; topics by their contracts."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return await self._read(consumer, reader, [at for topic in topics for at in self.names.partitions(topic)])
        finally:
            await consumer.stop()

    def begin_anew(self, topic: str) -> None:
        """A topic was made anew: every reader reads it from its beginning."""
        for reader, at in self._next:
            if at.topic == self.names.topic(topic):
                self._next[reader, at] = 0

    async def _read(self, consumer: AIOKafkaConsumer, reader: str, every: Sequence[TopicPartition]) -> list[Any]:
        consumer.assign(every)
        ends = await consumer.end_offsets(every)
        for at in every:
            consumer.seek(at, self._next.setdefault((reader, at), 0))
        found: list[Any] = []
        while any(self._next[reader, at] < ends[at] for at in every):
            for batch in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                found += batch
            self._next |= {(reader, at): await consumer.position(at) for at in every}
        return found
