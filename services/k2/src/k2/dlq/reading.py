"""Reading the dead-letter topic: what is committed in it, up to where it ends at the start."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiokafka import TopicPartition

from k2.dlq.letter import Letter, Place
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import DLQ, Names, administration, check

BATCH = 1_000
_FETCH_TIMEOUT_S = 20.0
_POLL_MS = 200

OffsetRanges = Mapping[int, range]
"""The offsets that each partition has."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects letters by stage, reason or place; what is not given selects all."""

    stage: str | None = None
    reason: str | None = None
    places: tuple[Place, ...] = ()

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is of the selected stage and reason."""
        return self.stage in (None, letter.stage) and self.reason in (None, letter.reason)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter topic of a run."""

    settings: KafkaSettings
    names: Names

    async def selected(self, selection: Selection) -> AsyncIterator[Sequence[Letter]]:
        """Read the selected letters, in batches of one partition, by partition and offset.

        Raises:
            ConfigError: the topic does not exist, or there is no letter at a selected place.
            Unavailable: reading stalled.
        """
        ranges = await self.ranges()
        batches = self._named(ranges, selection.places) if selection.places else self._all(ranges)
        async for batch in batches:
            chosen = [letter for letter in batch if selection.takes(letter)]
            for start in range(0, len(chosen), BATCH):
                yield chosen[start : start + BATCH]

    async def one(self, place: Place) -> Letter:
        """The letter at a place.

        Raises:
            ConfigError: there is none; says what there is.
        """
        return await self._at(await self.ranges(), place)

    async def ranges(self) -> OffsetRanges:
        """Where each partition begins and ends now, what is not committed yet included.

        Raises:
            ConfigError: the topic does not exist.
        """
        async with administration(self.settings) as admin:
            await check(admin, self.names, [DLQ])
        found = await offset_ranges_now(self.settings, self.names.partitions(DLQ))
        return {at.partition: span for at, span in found.items()}

    async def _all(self, ranges: OffsetRanges) -> AsyncIterator[Sequence[Letter]]:
        for partition, span in ranges.items():
            if span:
                async for batch in clients.replay(self.settings, self._partition(partition), span.start, span.stop):
                    yield [Letter.of(record, self.names) for record in batch if record.offset in span]

    async def _named(self, ranges: OffsetRanges, places: Sequence[Place]) -> AsyncIterator[Sequence[Letter]]:
        found = [await self._at(ranges, place) for place in sorted(set(places))]
        for _, batch in groupby(found, lambda letter: letter.place.partition):
            yield list(batch)

    async def _at(self, ranges: OffsetRanges, place: Place) -> Letter:
        span = ranges.get(place.partition)
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
