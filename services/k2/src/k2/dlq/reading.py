"""Reading the dead-letter topic: what is committed in it, up to where it ends at the start, and what became of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Self

from aiokafka import TopicPartition

from k2.dlq import replays
from k2.dlq.history import Histories, OffsetRanges
from k2.dlq.letter import Letter, LetterId, Place
from k2.topics.reading import read
from k2_shared.core.errors import ConfigError, InvalidRecord, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.dlq import LETTER
from k2_shared.kafka.identities import identify
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import DLQ, REPLAYS, Names, administration, check

BATCH = 1_000
_FETCH_TIMEOUT_S = 20.0
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects letters by stage, reason, time of refusal or place; what is not given selects all."""

    stage: str | None = None
    reason: str | None = None
    places: tuple[Place, ...] = ()
    since: datetime | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is of the selected stage, reason and time."""
        alike = self.stage in (None, letter.stage) and self.reason in (None, letter.reason)
        return alike and (self.since is None or letter.refused >= self.since)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of a run up to one moment: where each partition began and ended, and what became of letters.

    ``unreadable`` counts what stands among the records of replays and is none, by what is wrong with it.
    """

    settings: KafkaSettings
    names: Names
    ranges: OffsetRanges
    histories: Histories
    unreadable: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def find(cls, settings: KafkaSettings, names: Names) -> Self:
        """Look at all there is now: every refusal of a replay and every replay, what is being committed included.

        Raises:
            ConfigError: a topic does not exist.
            Unavailable: reading stalled.
        """
        async with administration(settings) as admin:
            await check(admin, names, (DLQ, REPLAYS))
            topic = names.topic(DLQ)
            topic_id = (await identify(admin, [topic])).topic_ids[topic]
        there = await offset_ranges_now(settings, [*names.partitions(DLQ), *names.partitions(REPLAYS)])
        ranges = {at.partition: span for at, span in there.items() if at.topic == topic}
        found = cls(settings, names, ranges, Histories(topic_id, ranges))
        async with clients.started(clients.consumer(settings), settings) as reader:
            async for at, batch in read(reader, there):
                found._take(at, batch)
        return found

    def _take(self, at: TopicPartition, batch: Sequence[Any]) -> None:
        if at.topic == self.names.topic(REPLAYS):
            for record in batch:
                try:
                    self.histories.note(*replays.read(record))
                except InvalidRecord as error:
                    self.unreadable[error.detail] += 1
            return
        for record in batch:
            if any(name == LETTER for name, _ in record.headers):
                self.histories.take(Letter.of(record, self.names))

    async def selected(self, selection: Selection) -> AsyncGenerator[Sequence[Letter]]:
        """Read the selected letters, in batches of one partition, by partition and offset.

        Of a letter's attempts only the first is read, unless another is named by its place.

        Raises:
            ConfigError: there is no letter at a selected place, or several are of the same letter.
            Unavailable: reading stalled.
        """
        batches = self._named(selection.places) if selection.places else self._all()
        async for batch in batches:
            chosen = [letter for letter in batch if selection.takes(letter)]
            for start in range(0, len(chosen), BATCH):
                yield chosen[start : start + BATCH]

    async def one(self, place: Place) -> Letter:
        """The letter at a place.

        Raises:
            ConfigError: there is none; says what there is.
        """
        ranges, span = self.ranges, self.ranges.get(place.partition)
        if span is None:
            raise ConfigError(
                f"there is no letter {place}: the dead-letter topic has partitions 0 to {len(ranges) - 1}"
            )
        has = f"has offsets {span[0]} to {span[-1]}" if span else "is empty"
        if place.offset not in span:
            raise ConfigError(f"there is no letter {place}: partition {place.partition} {has}")
        record = await self._fetch(place)
        if record is None:
            raise ConfigError(
                f"there is no letter {place}, but a mark of a transaction: partition {place.partition} {has}"
            )
        return Letter.of(record, self.names)

    async def _all(self) -> AsyncGenerator[Sequence[Letter]]:
        for partition, span in self.ranges.items():
            if span:
                async for batch in clients.replay(self.settings, self._partition(partition), span.start, span.stop):
                    letters = [Letter.of(record, self.names) for record in batch if record.offset in span]
                    yield [letter for letter in letters if self.histories.is_letter(letter)]

    async def _named(self, places: Sequence[Place]) -> AsyncGenerator[Sequence[Letter]]:
        found = [await self.one(place) for place in sorted(set(places))]
        named: dict[LetterId, Place] = {}
        for letter in found:
            other = named.setdefault(self.histories.id_of(letter), letter.place)
            if other != letter.place:
                raise ConfigError(f"{other} and {letter.place} are attempts of the same letter: name one of them")
        for _, batch in groupby(found, lambda letter: letter.place.partition):
            yield list(batch)

    async def _fetch(self, place: Place) -> Any | None:
        at = self._partition(place.partition)
        async with clients.started(clients.consumer(self.settings), self.settings) as reader:
            reader.assign([at])
            reader.seek(at, place.offset)
            try:
                async with asyncio.timeout(_FETCH_TIMEOUT_S):
                    return await _next(reader, at, place.offset)
            except TimeoutError:
                raise Unavailable(f"{place} could not be read in {_FETCH_TIMEOUT_S:.0f} s: is it committed?") from None

    def _partition(self, number: int) -> TopicPartition:
        return TopicPartition(self.names.topic(DLQ), number)


async def _next(reader: Any, at: TopicPartition, offset: int) -> Any | None:
    """The record at an offset, or None where the next one lies behind it."""
    while await reader.position(at) <= offset:
        for record in (await reader.getmany(at, timeout_ms=_POLL_MS, max_records=1)).get(at, []):
            return record if record.offset == offset else None
    return None
