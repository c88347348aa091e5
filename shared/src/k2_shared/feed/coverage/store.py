"""The durable coverage of a feed: checkpoints that never run ahead of bronze, and how a start restores it.

A checkpoint says which ids stood in Kafka when it was written, and from which bronze offset on nothing of its writer is
in it. Whatever checkpoint is read, replaying bronze from its offset gives all ids that stand there: so an older one, or
one of another process of the same feed, costs time and loses nothing, and the coverage never goes back.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.trade import decode, record_key
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.checkpoint import Checkpoint
from k2_shared.feed.coverage.checkpoint_records import CheckpointRecords, UnreadableRecords
from k2_shared.feed.coverage.coverage import Coverage, CoverageLimits, TradeVerdict
from k2_shared.feed.coverage.feed_records import GapState
from k2_shared.feed.coverage.gap_log import GapFold
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import BRONZE, COVERAGE, GAPS, Names, partition_for


@dataclass(frozen=True)
class Restored:
    """What stands in Kafka: coverages and gap records by symbol, and recent connection attempts in seconds.

    ``ends`` are those of bronze by partition; ``chunks`` are what ``CheckpointRecords.own_chunks`` says. ``replayed``
    counts the bronze records that were read, and ``ignored``, by reason, what could not be read.
    """

    coverages: Mapping[str, Coverage]
    gaps: Mapping[str, GapFold]
    attempts: list[float]
    ends: Mapping[int, int]
    chunks: Mapping[str, frozenset[str]]
    replayed: int
    ignored: Mapping[str, int]


@dataclass(frozen=True)
class CoverageStore(CheckpointRecords):
    """The durable coverage of one feed: what it writes to the coverage topic, and what a start reads back."""

    settings: KafkaSettings
    names: Names
    schemas: SubjectSchemas
    limits: CoverageLimits = field(default_factory=CoverageLimits)

    def partition(self, symbol: str) -> int:
        """The bronze partition of a symbol."""
        return partition_for(record_key(self.exchange, symbol), self.names.contract(self._bronze).partitions)

    async def restore(self) -> Restored:
        """Read everything; bronze only from the oldest stamp of each partition on.

        Raises:
            Halt: bronze ends before what the checkpoints say.
            Unavailable: the broker does not answer.
        """
        offsets, ignored = await self._offsets(), UnreadableRecords()
        values = await clients.latest(self.settings, self._at(COVERAGE), offsets[self._at(COVERAGE)].stop)
        checkpoints = self.read_checkpoints(values, ignored)
        coverages = {symbol: each.coverage(self.limits) for symbol, each in checkpoints.items()}
        replayed = await self._replay(offsets, checkpoints, coverages)
        gaps = await self._gaps(offsets[self._at(GAPS)], coverages, ignored)
        for symbol, fold in gaps.items():
            for interval in fold[GapState.UNFILLABLE]:
                coverages[symbol].settle(*interval)
        return Restored(
            coverages=coverages,
            gaps=gaps,
            attempts=self.read_attempts(values, ignored),
            ends={at.partition: span.stop for at, span in offsets.items() if at.topic == self._bronze},
            chunks=self.own_chunks(values),
            replayed=replayed,
            ignored=ignored.counts,
        )

    async def end(self, symbol: str) -> int:
        """The end offset of a symbol's bronze partition, now. Raises KafkaError, Unavailable."""
        return (await self._offsets())[TopicPartition(self._bronze, self.partition(symbol))].stop

    @property
    def bronze(self) -> str:
        """The contract's name of the topic that the trades are in."""
        return BRONZE.format(exchange=self.exchange.lower())

    @property
    def _bronze(self) -> str:
        return self.names.topic(self.bronze)

    def _at(self, topic: str) -> TopicPartition:
        return TopicPartition(self.names.topic(topic), 0)

    def _stamps(self, checkpoints: Mapping[str, Checkpoint]) -> dict[int, int]:
        """The oldest stamp of each partition."""
        stamps: dict[int, int] = {}
        for symbol, checkpoint in checkpoints.items():
            partition = self.partition(symbol)
            stamps[partition] = min(checkpoint.stamp, stamps.get(partition, checkpoint.stamp))
        return stamps

    async def _offsets(self) -> Mapping[TopicPartition, range]:
        """The offsets that every partition has, uncommitted records included."""
        return await offset_ranges_now(
            self.settings, [*self.names.partitions(self.bronze), self._at(COVERAGE), self._at(GAPS)]
        )

    async def _replay(
        self,
        offsets: Mapping[TopicPartition, range],
        checkpoints: Mapping[str, Checkpoint],
        coverages: Mapping[str, Coverage],
    ) -> int:
        """Bring coverages up to what stands in bronze; returns how many records were read."""
        replayed = 0
        for partition, stamp in self._stamps(checkpoints).items():
            at = TopicPartition(self._bronze, partition)
            start = max(stamp, offsets[at].start)  # what retention took away is asked of REST again
            async for batch in clients.replay(self.settings, at, start, offsets[at].stop):
                await self.schemas.learn(batch)
                self._account(batch, checkpoints, coverages)
                replayed += len(batch)
        return replayed

    def _account(
        self, batch: Iterable[Any], checkpoints: Mapping[str, Checkpoint], coverages: Mapping[str, Coverage]
    ) -> None:
        """Account for a batch of bronze; records before a symbol's own stamp may be of a numbering that has ended."""
        for record in batch:
            with suppress(InvalidRecord):  # no feed writes such a record; silver refuses it
                trade = decode(record.value, self.schemas.known)
                checkpoint = checkpoints.get(trade["symbol"])
                if checkpoint and record.offset >= checkpoint.stamp:
                    stands(coverages[trade["symbol"]], trade["source_sequence"], trade["timestamp"])

    async def _gaps(
        self, span: range, coverages: Mapping[str, Coverage], ignored: UnreadableRecords
    ) -> Mapping[str, GapFold]:
        """Fold the gap records of the venue's present numbering."""
        folds: dict[str, GapFold] = {}
        async for batch in clients.replay(self.settings, self._at(GAPS), span.start, span.stop):
            for record in batch:
                try:
                    gap = feed_records.gaps.read(record.value)
                except InvalidRecord as error:
                    ignored.note(InvalidRecord("unreadable_gap", error.detail))
                    continue
                coverage = coverages.get(gap.symbol)
                if gap.exchange == self.exchange and coverage and gap.opened_at >= coverage.began_at:
                    folds.setdefault(gap.symbol, GapFold((GapState.OPENED, GapState.UNFILLABLE))).take(gap)
        return folds


def stands(coverage: Coverage, trade_id: int, timestamp: int) -> None:
    """Account for an id that was read from bronze; the first ids of a symbol that just began may be in any order."""
    if not coverage.begun and timestamp >= coverage.since_us and trade_id > 0:
        coverage.begin(trade_id)
        coverage.fresh = True
    if not coverage.begun:
        return
    if coverage.fresh and trade_id < coverage.first:
        coverage.reopen(trade_id)
    if coverage.offer(trade_id, timestamp) is TradeVerdict.FILLS:
        coverage.settle(trade_id, trade_id)
