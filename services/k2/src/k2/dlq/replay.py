"""Sending letters back to where they were refused, in whole batches.

A batch is one transaction, so an interrupted replay has sent whole batches and nothing of the next. Sending a letter
twice does no harm: gold drops the repeat.
"""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from k2.dlq.letter import READ_TOPICS, Letter, Place
from k2.dlq.reading import DeadLetters
from k2.dlq.transform import Transform
from k2_shared.core.errors import ConfigError, Halt, InvalidRecord, Unavailable
from k2_shared.core.records import Outgoing, by_topic
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import DLQ, Names, administration, check


@dataclass(frozen=True, slots=True)
class Parcel:
    """One letter on its way: from where, to where, and what is written."""

    letter: Place
    to: TopicPartition
    record: Outgoing


@dataclass
class Counts:
    """What became of the selected letters; ``refusals`` has a sentence for each reason."""

    selected: int = 0
    sent: int = 0
    skipped_by_transform: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def all_refused(self) -> bool:
        """Whether there were letters, and none of them can go anywhere."""
        return 0 < self.selected == self.refused.total()

    def shown(self) -> dict[str, int | dict[str, int]]:
        """The numbers, for machines."""
        numbers = {"selected": self.selected, "sent": self.sent, "skipped_by_transform": self.skipped_by_transform}
        return {**numbers, "refused": dict(self.refused)}


Deliver = Callable[[Sequence[Parcel]], Awaitable[None]]


async def replay(batches: AsyncIterable[Sequence[Letter]], transform: Transform, deliver: Deliver) -> Counts:
    """Transform and deliver batch by batch; of a batch whose transform fails nothing is sent.

    Raises:
        ConfigError: the transform failed.
        Halt: another replay has taken over, or a letter is larger than its topic takes.
        Unavailable: the broker failed.
    """
    counts = Counts()
    try:
        async for batch in batches:
            parcels = _parcels(batch, transform, counts)
            await deliver(parcels)
            counts.sent += len(parcels)
    except (ConfigError, Halt) as error:
        raise type(error)(f"{error}; {counts.sent} letters were sent before, in whole batches") from error
    except ProducerFenced:
        raise Halt(f"another 'k2 dlq replay' has taken over; {counts.sent} letters were sent before") from None
    except (KafkaError, TimeoutError) as error:
        after = f"after {counts.sent} letters: replay again, what was sent twice is dropped as a repeat"
        raise Unavailable(f"the broker failed ({error!r}) {after}") from error
    return counts


def _parcels(batch: Iterable[Letter], transform: Transform, counts: Counts) -> list[Parcel]:
    parcels = []
    for letter in batch:
        counts.selected += 1
        changed = transform(letter)
        if changed is None:
            counts.skipped_by_transform += 1
            continue
        try:
            parcels.append(Parcel(letter.place, changed.destination(), changed.outgoing()))
        except InvalidRecord as error:
            counts.refused[error.reason] += 1
            counts.refusals.setdefault(error.reason, f"letter {letter.place}: {error.detail}")
    return parcels


@asynccontextmanager
async def sending(source: DeadLetters) -> AsyncIterator[Deliver]:
    """Deliver to the topics, a transaction a batch; starting it shuts out an older replay of the same run."""
    settings, names = source.settings, source.names
    async with administration(settings) as admin:
        await check(admin, names, READ_TOPICS)
    owner = names.transactional_id("dlq-replay", DLQ, 0)
    async with clients.started(clients.producer(settings, transactional_id=owner), settings) as sender:

        async def deliver(parcels: Sequence[Parcel]) -> None:
            if parcels:
                await _commit(sender, names, parcels)

        yield deliver


async def _commit(sender: AIOKafkaProducer, names: Names, parcels: Sequence[Parcel]) -> None:
    by_partition: dict[int, list[Outgoing]] = {}
    for parcel in parcels:
        by_partition.setdefault(parcel.to.partition, []).append(parcel.record)
    async with sender.transaction():
        for partition, records in by_partition.items():
            await send_all(sender, names, partition, by_topic(records))
