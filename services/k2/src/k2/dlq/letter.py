"""A dead letter as a value: the refused record as it was, and what its stage said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from aiokafka import TopicPartition

from k2_shared.core.errors import ConfigError, InvalidRecord
from k2_shared.core.letter_headers import PREFIX, number, said
from k2_shared.core.origin import Headers
from k2_shared.core.records import Consumed, Outgoing
from k2_shared.kafka.dlq import ATTEMPT, LETTER
from k2_shared.kafka.topics import BRONZE, EXCHANGES, SILVER, Names, partition_for

READ_TOPICS = tuple(name.format(exchange=exchange.lower()) for name in (BRONZE, SILVER) for exchange in EXCHANGES)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a letter lies in the dead-letter topic."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read PARTITION:OFFSET.

        Raises:
            ConfigError: it is not that.
        """
        before, _, after = text.partition(":")
        partition, offset = number(before, 9), number(after, 18)
        if partition is None or offset is None:
            raise ConfigError(f"{text!r} is not a place: it is PARTITION:OFFSET, as 'k2 dlq list' shows it, e.g. 3:17")
        return cls(partition, offset)

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class LetterId:
    """Which letter: where its first refusal lies, and in which topic by Kafka's id, since another may get the name."""

    place: Place
    topic_id: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read PARTITION:OFFSET@TOPIC_ID; None where it is not that."""
        place, _, topic_id = text.partition("@")
        try:
            return cls(Place.parse(place), str(UUID(topic_id)))
        except (ConfigError, ValueError):
            return None

    def __str__(self) -> str:
        return f"{self.place}@{self.topic_id}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One refusal as the dead-letter topic has it: a letter, or one of its attempts where a replay was refused.

    ``topic`` is the contract's name of the topic it was refused from, ``headers`` are the record's own, ``said`` are
    the ``k2-dlq-`` headers without that prefix.
    """

    place: Place
    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers
    said: Mapping[str, str]

    @classmethod
    def of(cls, record: Consumed, names: Names) -> Self:
        """Read a record of the dead-letter topic; of a header that comes twice the last is this refusal's."""
        found = said(record.headers)
        return cls(
            place=Place(record.partition, record.offset),
            topic=found.get("topic", "").removeprefix(names.prefix),
            key=record.key,
            value=record.value,
            timestamp=record.timestamp,
            headers=tuple(header for header in record.headers if not header[0].startswith(PREFIX)),
            said=found,
        )

    @property
    def stage(self) -> str:
        """The stage that refused it."""
        return self.said.get("stage", "")

    @property
    def reason(self) -> str:
        """The code of the reason."""
        return self.said.get("reason", "")

    @property
    def attempt(self) -> int:
        """How often the record has been refused."""
        found = number(self.said.get("attempt"), 9)
        return 1 if found is None else found

    @property
    def first(self) -> LetterId | None:
        """Of a replay that was refused: the letter that was replayed."""
        return LetterId.read(self.said.get("letter", ""))

    @property
    def refused(self) -> datetime:
        """When it was refused; the record's time where no header says so."""
        found = number(self.said.get("time"), 19)
        return _moment(self.timestamp * 1_000 if found is None else found // 1_000)

    def destination(self) -> TopicPartition:
        """The topic, by the contract's name, and the partition to which it goes again.

        Raises:
            InvalidRecord: no stage would read it there.
        """
        if self.topic not in READ_TOPICS:
            advice = f"only a --transform that names one of {', '.join(READ_TOPICS)} lets a letter go on"
            raise InvalidRecord("topic_not_read", f"no stage reads {self.topic or 'no topic'!r}: {advice}")
        partitions = Names().contract(self.topic).partitions
        if self.key is not None:
            return TopicPartition(self.topic, partition_for(self.key, partitions))
        partition = number(self.said.get("partition"), 9)
        if partition is None or partition >= partitions:
            raise InvalidRecord("no_partition", "neither a key nor a header says to which partition the letter belongs")
        return TopicPartition(self.topic, partition)

    def outgoing(self, letter: LetterId, attempts: int) -> Outgoing:
        """The record as it goes to its destination: as it was refused, with its letter and the attempts so far."""
        own = ((LETTER, str(letter).encode()), (ATTEMPT, str(attempts).encode()))
        return Outgoing(self.topic, self.key, self.value, self.timestamp, (*self.headers, *own))


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
