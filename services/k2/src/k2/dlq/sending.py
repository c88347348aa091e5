"""Sending letters back to where they were refused, in whole batches.

A batch and the records of its replays are one transaction, so whatever is killed when: a letter was replayed exactly
where a record says so.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from k2.dlq import replays
from k2.dlq.letter import READ_TOPICS, LetterId
from k2.dlq.replay import Fate, Parcel
from k2.dlq.replays import Replay
from k2.dlq.transform import Transform
from k2_shared.core.errors import Unavailable
from k2_shared.core.records import Outgoing, by_topic
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.clients import Producer
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import DLQ, REPLAYS, Names, administration, check

_FORGOTTEN = 10_000  # in one transaction


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends letters, a transaction a batch; whoever starts another one of the same run shuts this one out."""

    names: Names
    transform: Transform
    producer: Producer

    async def deliver(self, fates: Sequence[Fate]) -> None:
        """Send the parcels among some letters, each with the record that it was replayed. Waits for the commit.

        Raises:
            ProducerFenced: another replay has taken over; nothing of this batch was sent.
            Halt: a letter is larger than its topic takes; nothing of this batch was sent.
            KafkaError, Unavailable: the broker failed.
        """
        now = time.time_ns() // 1_000
        await self._commit(found for fate in fates if isinstance(fate, Parcel) for found in self._records(fate, now))

    def _records(self, parcel: Parcel, now: int) -> Iterable[tuple[int, Outgoing]]:
        by = self.transform
        replay = Replay(
            at=now, attempt=parcel.attempt, to=parcel.to.topic, transform=by.name, transform_sha256=by.sha256
        )
        yield parcel.to.partition, parcel.record
        yield replays.partition(parcel.letter), replays.outgoing(parcel.letter, replay)

    async def forget(self, letters: Iterable[LetterId]) -> None:
        """Delete what is known of letters, some of them where they are very many. Waits for the commit.

        Raises:
            KafkaError, Unavailable: the broker failed.
        """
        now, gone = time.time_ns() // 1_000_000, list(letters)[:_FORGOTTEN]
        await self._commit((replays.partition(of), Outgoing(REPLAYS, str(of).encode(), None, now, ())) for of in gone)

    async def _commit(self, records: Iterable[tuple[int, Outgoing]]) -> None:
        by_partition: dict[int, list[Outgoing]] = defaultdict(list)
        for partition, record in records:
            by_partition[partition].append(record)
        if not by_partition:
            return
        if self.producer.unanswered:  # it could arrive in this transaction and end it: see .github/decisions/0010
            raise Unavailable("a request was not answered: replay again, it goes on with those that were not sent")
        async with self.producer.transaction():
            for partition, of in by_partition.items():
                await send_all(self.producer, self.names, partition, by_topic(of))


@asynccontextmanager
async def sending(settings: KafkaSettings, names: Names, transform: Transform | None = None) -> AsyncIterator[Sender]:
    """Send to the topics. What became of letters is to be read when it has started: no older replay commits any more.

    Raises:
        ConfigError: a topic does not exist.
        Unavailable: no broker answered.
    """
    async with administration(settings) as admin:
        await check(admin, names, (*READ_TOPICS, REPLAYS))
    owner = names.transactional_id("dlq-replay", DLQ, 0)
    async with clients.started(clients.producer(settings, transactional_id=owner), settings) as producer:
        yield Sender(names, transform or Transform(), producer)
