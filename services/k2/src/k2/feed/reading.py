"""Reads a whole topic of the feeds for a command, and turns a broker's failure into the command's error."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import Names, administration, check

T = TypeVar("T")


@dataclass
class TopicRecords(Generic[T]):
    """The selected records of a topic in the order they were written; ``unreadable`` counts what does not decode."""

    read: Callable[[bytes | None], T]
    takes: Callable[[T], bool]
    records: list[T] = field(default_factory=list)
    unreadable: int = 0

    def add(self, value: bytes | None) -> None:
        """Decode one value and keep it if it is selected."""
        try:
            record = self.read(value)
        except InvalidRecord:
            self.unreadable += 1
            return
        if self.takes(record):
            self.records.append(record)


async def read_topic(
    settings: RunSettings, topic: str, read: Callable[[bytes | None], T], takes: Callable[[T], bool]
) -> TopicRecords[T]:
    """Read a topic of the feeds up to its end now and keep the records that ``takes`` selects; blocks until it is read.

    Raises:
        ConfigError: the topic does not exist.
        Unavailable: reading stalled, or no broker answered.
    """
    found = TopicRecords(read, takes)
    async for batch in _batches(settings, topic):
        for record in batch:
            found.add(record.value)
    return found


async def _batches(settings: RunSettings, topic: str) -> AsyncIterator[Sequence[Any]]:
    names = Names(settings.k2_prefix)
    async with administration(settings) as admin:
        await check(admin, names, [topic])
    for at, span in (await offset_ranges_now(settings, names.partitions(topic))).items():
        async for batch in clients.replay(settings, at, span.start, span.stop):
            yield [record for record in batch if record.offset < span.stop]
