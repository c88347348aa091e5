"""Asking the broker: whether it answers, how far groups are behind, what the ledger and the dead letters say."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from k2.dlq.history import Histories
from k2.dlq.letter import Letter
from k2.dlq.summary import MAX_GROUPS, Summary
from k2.feed.reading import TopicRecords
from k2.gaps.account import account
from k2.status.facts import BROKER, Gaps, Lags, Letters, Part
from k2.topics.reading import read
from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import KafkaSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import GapRecord
from k2_shared.kafka import clients
from k2_shared.kafka.identities import describe
from k2_shared.kafka.lag import Reading, groups
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.resumption import committed_all
from k2_shared.kafka.topics import DLQ, GAPS, Names, administration

LIMIT_S = 3.0
READ_S = 10.0
_CHECK = "start it, or check KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
_LOOKED_UP = 100  # offsets: where a group is further behind, records are among them

_Positions = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """All that the broker says."""

    part: Part
    lags: Lags
    gaps: Gaps
    letters: Letters


@dataclass
class Journal:
    """What was read of the ledger and the dead letters so far, and up to where, so that a watch reads on.

    ``dlq_id`` is Kafka's id of the dead-letter topic, ``dlq_ranges`` are the offsets that it has.
    """

    names: Names
    dlq_id: str = ""
    dlq_ranges: dict[int, range] = field(default_factory=dict)
    at: _Positions = field(default_factory=dict)
    gaps: TopicRecords[GapRecord] = field(default_factory=lambda: TopicRecords(feed_records.gaps.read, lambda _: True))
    letters: Summary = field(default_factory=Summary)
    histories: Histories = field(init=False)

    def __post_init__(self) -> None:
        self.histories = Histories(self.dlq_id, self.dlq_ranges)

    def take(self, at: TopicPartition, records: Sequence[Any]) -> None:
        """Take in records of one partition."""
        if at.topic == self.names.topic(DLQ):
            for record in records:
                letter = Letter.of(record, self.names)
                if self.histories.take(letter):
                    self.letters.add(letter)
        else:
            for record in records:
                self.gaps.add(record.value)
        self.at[at] = records[-1].offset + 1


class Broker:
    """One pipeline's broker, asked as no member of any group."""

    def __init__(self, settings: KafkaSettings, names: Names) -> None:
        self._settings = settings.model_copy(update={"kafka_request_timeout_ms": int(READ_S * 1_000)})
        self._names = names
        self._journal = Journal(names)

    async def ask(self) -> Answer:
        """Ask everything; a broker that does not answer costs ``LIMIT_S``, one that does is given ``READ_S`` a step."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(LIMIT_S):
                    admin = await stack.enter_async_context(administration(self._settings))
                async with asyncio.timeout(READ_S):
                    described = (await describe(admin, map(self._names.topic, contracts.topics()))).topics
                    measures, reads = [await stack.enter_async_context(self._consumer()) for _ in range(2)]
            except TimeoutError:
                return self._failed(f"no answer in {LIMIT_S:g} s", "start it, or check KAFKA_BOOTSTRAP_SERVERS")
            except K2Error as error:
                fault, _, do = _reason(error).partition(": ")  # what is wrong, then what to do
                return self._failed(fault, do or _CHECK)
            except (KafkaError, OSError) as error:
                return self._failed(_reason(error), _CHECK)
            if missing := [topic for topic, now in described.items() if now is None]:
                fault = f"has no topic {missing[0]}" + (f" and {len(missing) - 1} others" if missing[1:] else "")
                return self._failed(fault, "'k2 init' creates them", answers=True)
            dlq = described.get(self._names.topic(DLQ))
            lags, (gaps, letters) = await asyncio.gather(
                self._lags(admin, measures), self._read(reads, dlq.topic_id if dlq else "")
            )
        return Answer(Part(BROKER, self._settings.kafka_bootstrap_servers), lags, gaps, letters)

    def _consumer(self) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
        return clients.started(clients.consumer(self._settings), self._settings)

    def _failed(self, fault: str, do: str, *, answers: bool = False) -> Answer:
        part = Part(BROKER, self._settings.kafka_bootstrap_servers, fault, do, answers)
        said = "the broker cannot be asked"
        return Answer(part, Lags(dict.fromkeys(groups(self._names)), fault=said), Gaps(fault=said), Letters(fault=said))

    async def _lags(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> Lags:
        try:
            async with asyncio.timeout(READ_S):
                return Lags(await self._measured(admin, reader), BROKER)
        except TimeoutError:
            fault = f"the broker did not tell it in {READ_S:g} s"
        except (KafkaError, K2Error, OSError) as error:
            fault = _reason(error)
        return Lags(dict.fromkeys(groups(self._names)), fault=fault)

    async def _measured(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> dict[str, int]:
        """The lag of every group: offsets, but none where no record is before it, only ends of transactions."""
        partitions = {
            group: [at for topic in topics for at in self._names.partitions(topic)]
            for group, topics in groups(self._names).items()
        }
        every = sorted({at for of in partitions.values() for at in of})
        there = await offset_ranges(reader, every)
        readings = {}
        for group, of in partitions.items():
            committed = await committed_all(admin, group, of)
            readings[group] = {at: Reading(committed[at].offset, there[at].start, there[at].stop) for at in of}
        last = await _last_records(reader, _doubtful(readings.values()))
        return {group: sum(_lag(each, last.get(at)) for at, each in of.items()) for group, of in readings.items()}

    async def _read(self, reader: AIOKafkaConsumer, dlq_id: str) -> tuple[Gaps, Letters]:
        """What the ledger and the dead letters say up to their ends now."""
        try:
            async with asyncio.timeout(READ_S):
                await self._read_on(reader, dlq_id)
        except TimeoutError:
            fault = f"not all was read in {READ_S:g} s"
        except (KafkaError, K2Error, OSError) as error:
            fault = _reason(error)
        else:
            kinds = [group.counted() for group in self._journal.letters.largest(MAX_GROUPS)]
            return _open(self._journal.gaps.records), Letters(kinds)
        return Gaps(fault=fault), Letters(fault=fault)

    async def _read_on(self, reader: AIOKafkaConsumer, dlq_id: str) -> None:
        there = await offset_ranges(reader, [at for topic in (GAPS, DLQ) for at in self._names.partitions(topic)])
        was = self._journal
        if was.dlq_id != dlq_id or any(
            not span.start <= was.at.get(at, span.start) <= span.stop for at, span in there.items()
        ):
            self._journal = Journal(self._names, dlq_id)  # what was read is deleted, or another topic has the name
        journal = self._journal
        dlq = self._names.topic(DLQ)
        journal.dlq_ranges.update({at.partition: span for at, span in there.items() if at.topic == dlq})
        unread = {at: range(journal.at.get(at, span.start), span.stop) for at, span in there.items()}
        async for at, records in read(reader, unread):
            journal.take(at, records)
        journal.at.update({at: span.stop for at, span in unread.items()})


def _open(records: Sequence[GapRecord]) -> Gaps:
    gaps = [gap for gap in account(records) if gap.settled_at is None]
    now = feed_records.now_us()
    oldest = max((gap.latency_s(now) for gap in gaps), default=None)
    return Gaps(len(gaps), sum(gap.count for gap in gaps), oldest, "ledger")


def _doubtful(readings: Collection[Mapping[TopicPartition, Reading]]) -> dict[TopicPartition, range]:
    """Where a group is so little behind that there may be no record; by partition, from the first of these groups."""
    found = dict[TopicPartition, range]()
    for of in readings:
        for at, reading in of.items():
            if 0 < reading.offsets <= _LOOKED_UP:
                first = min(reading.first, found[at].start) if at in found else reading.first
                found[at] = range(first, reading.end)
    return found


def _lag(reading: Reading, last_record: int | None) -> int:
    """The offsets that a group is behind; none where the last record was looked up, and stands before its place."""
    if last_record is None or reading.offsets > _LOOKED_UP:
        return reading.offsets
    return reading.offsets if last_record >= reading.first else 0


async def _last_records(reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, range]) -> dict[TopicPartition, int]:
    """The offset of the last committed record in each range, -1 where there is none."""
    last = dict.fromkeys(ranges, -1)
    async for at, records in read(reader, ranges):
        last[at] = records[-1].offset
    return last


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
