"""What fills one table of the warm tier: inserted first, then committed to Kafka, so a row may come twice, as one."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
from aiokafka import TopicPartition

from k2_shared.core.contracts import WarmTableContract
from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import Interrupted, RetryBudget, UsedUp, reason
from k2_shared.kafka import clients
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.resumption import Committed, committed_all
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import Names, administration
from k2_shared.lake.memory import give_back
from k2_shared.stages.row_batch import BatchLimits, RowBatch, ToRows
from k2_shared.stages.table_sink import Feed, Positions, TableSink
from warm_sink.adapters import Warehouse
from warm_sink.followers import Follower
from warm_sink.rows import by_days, landmark
from warm_sink.rules import Ends, Evidence, Filled, Landmark, Source, Start, further_back, has_all, new_sources, start
from warm_sink.settings import SERVICE, WarmSinkSettings

T = TypeVar("T")

BEHIND = "warm_table_filled_again"
UNPROVEN = "warm_table_unproven"
ATTEMPT_FAILED = "warm_table_attempt_failed"
_FETCH = clients.Fetch(partition_bytes=256 * 1024, total_bytes=4 * 1024 * 1024, wait_ms=200)
_DAYS = 100  # of one insert: a thousand, each a part to write, took as long as a query may
_LASTING_US = 86_400_000_000  # a row that was received so long ago at most does not expire before the next insert
_LOOK_MS = 500
_COMMIT_AGAIN_S = 3_600.0  # a group without members loses offsets that nobody commits, by default after a week


@dataclass(frozen=True)
class WarmTable:
    """A table to fill: its contract, how records become its rows, the topics that feed it, and who watches them.

    ``schemas`` has by topic those of what is decoded.
    """

    contract: WarmTableContract
    rows: ToRows
    kafka: Identity
    topics: TopicWatch
    schemas: Mapping[str, SubjectSchemas] = field(default_factory=dict)

    def feed(self, settings: WarmSinkSettings, names: Names) -> Feed:
        """What it is fed with in a run."""
        return Feed(
            table=self.contract.name,
            group=names.warm_group(self.contract.name),
            partitions=[at for name in self.contract.topics for at in names.partitions(name)],
            rows=self.rows,
            limits=BatchLimits(settings.warm_max_rows, settings.warm_max_bytes, settings.warm_interval_s),
            fetch=_FETCH,
            schemas=self.schemas,
        )

    def sources(self, names: Names) -> dict[str, Source]:
        """Its topics as they are now, by their names in this run."""
        counts = names.partition_counts(self.contract.topics)
        return {
            topic: Source(self.kafka.cluster_id, self.kafka.topic_ids[topic], count) for topic, count in counts.items()
        }


class WarmTableSink(TableSink):
    """A Faust service that fills one table from where its group, the table and Kafka say that it is filled up to."""

    def __init__(
        self,
        settings: WarmSinkSettings,
        names: Names,
        table: WarmTable,
        warehouse: Warehouse,
        follower: Follower,
        metrics: Metrics,
    ) -> None:
        feed = table.feed(settings, names)
        super().__init__(SERVICE, settings, feed, RetryBudget(settings.warm_insert_attempts, self._tell), metrics)
        self._settings = settings
        self._names = names
        self._table = table
        self._warehouse = warehouse
        self._follower = follower
        self._committed_at = time.monotonic()
        self._landmark: Landmark | None = None
        self._unsure = False
        self._ends: Ends = {}

    def check(self) -> None:
        if said := self._table.topics.contradictions(self.feed.topics):
            raise Halt("; ".join(said))

    async def begin(self) -> None:
        found = await self._found()
        self._landmark, self._unsure = None, False
        self.rewind(found)

    async def write(self, batch: RowBatch) -> bool:
        if not await asyncio.to_thread(self._insert, batch.parts):
            return False
        self._metrics.warm.newest.labels(self.feed.table).set(batch.newest_ms / 1_000)
        return True

    async def between(self, *, wrote: bool) -> None:
        if not wrote and time.monotonic() - self._committed_at >= _COMMIT_AGAIN_S:
            self.positions.update({at: await self.reader.position(at) for at in self.feed.partitions})
            await self._commit()

    async def on_stop(self) -> None:
        await super().on_stop()
        await asyncio.to_thread(self._warehouse.close)

    async def _found(self) -> Positions:
        """Find out where the table, and what follows it, is filled up to.

        What is read again is committed before it is inserted: an insert of which a part lands moves the table's end.
        """
        positions: dict[TopicPartition, int] = {}
        for filled in await asyncio.to_thread(self._tried, "read", self._filled):
            for at, begun in (await self._starts(filled)).items():
                positions[at] = min(begun.offset, positions.get(at, begun.offset))
        await self.reader.commit(positions)
        self._committed_at = time.monotonic()
        return positions

    async def _commit(self) -> None:
        await self.reader.commit(dict(self.positions))
        self._committed_at = time.monotonic()

    def _tell(self, error: Exception) -> None:
        self._failed(error)
        logger().warning(ATTEMPT_FAILED, table=self.feed.table, reason=reason(error))

    def _tried(self, what: str, work: Callable[[], T]) -> T:
        """Do work at the table, again and again where it fails. Blocks.

        Raises:
            Unavailable: no attempt succeeded.
        """
        try:
            return self.retries.spend(work)
        except UsedUp as error:
            raise Unavailable(
                f"table {self.feed.table} could not be {what} in {self.retries.attempts} attempts ({error.last}); "
                "the next start goes on where the table is"
            ) from None

    def _filled(self) -> list[Filled]:
        """Up to where all is filled, once the sources are known to be those that are there now. Blocks."""
        table, sources = self.feed.table, self._table.sources(self._names)
        found = self._warehouse.standing(table)
        self._ends = found.ends
        if new := new_sources(table, found, sources):
            self._warehouse.remember(table, new)
        return [
            Filled(table, {} if self._hides_a_hole(found.ends) else found.ends, self._table.contract.retention_hours),
            *self._follower.begin(sources),
        ]

    def _hides_a_hole(self, ends: Ends) -> bool:
        """Whether rows of an insert that may have met another table stand there: they say nothing of those before."""
        return self._unsure and any(end > self.positions[at] for at, end in ends.items() if at in self.positions)

    def _insert(self, parts: list[pa.Table]) -> bool:
        """Insert the rows of parts, which are emptied, and give back the memory that they took. Blocks.

        Each piece of them may have landed before. False where the table has lost what was inserted before: then more
        rows would hide that.
        """
        rows = pa.concat_tables(parts).combine_chunks()  # one block: the server's work grows by each
        parts.clear()
        by, now_us = self._table.contract.partition_by, time.time_ns() // 1_000
        inserted = all(self._tried("written", partial(self._put, piece)) for piece in by_days(rows, by, _DAYS))
        if inserted and (inserted := self._tried("followed", partial(self._follower.follow, rows))):
            self._landmark = landmark(rows, by, range(now_us - _LASTING_US, now_us + _LASTING_US))
        give_back()
        return inserted

    def _put(self, piece: pa.Table) -> bool:
        if not self._stands():
            return False
        self._unsure = True
        self._warehouse.insert(self.feed.table, piece)
        self._unsure = not self._stands()  # emptied between the two, the table has these rows alone
        return not self._unsure

    def _stands(self) -> bool:
        """Whether the table has what was inserted last, or, before anything was, what it had at the beginning."""
        if self._landmark:
            return self._warehouse.stands(self.feed.table, self._landmark)
        return has_all(self._warehouse.standing(self.feed.table).ends, self._ends)

    async def _starts(self, filled: Filled) -> dict[TopicPartition, Start]:
        """Where each partition is read on."""
        evidence = await self._evidence(filled)
        starts = {at: start(f"{filled.table}: {at.topic}[{at.partition}]", seen) for at, seen in evidence.items()}
        behind = {
            at: range(starts[at].offset, seen.committed)
            for at, seen in evidence.items()
            if seen.committed is not None and starts[at].offset < seen.committed
        }
        if not await self._hold_a_record(behind):
            starts |= {at: replace(starts[at], offset=offsets.stop) for at, offsets in behind.items()}
        elif behind:
            starts = {at: further_back(evidence[at], begun) for at, begun in starts.items()}
        for at, begun in starts.items():
            _say(filled.table, at, evidence[at], begun)
        return starts

    async def _evidence(self, filled: Filled) -> dict[TopicPartition, Evidence]:
        committed = await self._group()
        logs = await offset_ranges_now(self._settings, self.feed.partitions)
        kept = await self._kept(filled.kept_hours)  # afterwards: what comes in between is not expired
        found = {}
        for at, log in logs.items():
            first = max(log.start, min(kept.get(at, log.stop), log.stop))
            found[at] = Evidence(committed[at].offset, filled.ends.get(at, 0), log, first, filled.folded)
        return found

    async def _hold_a_record(self, offsets: Mapping[TopicPartition, range]) -> bool:
        """Whether any of such offsets is a record's: those of markers and of aborted records are no rows.

        Raises:
            Interrupted: the process is to stop.
        """
        for at, each in offsets.items():
            self.reader.seek(at, each.start)
        left = set(offsets)
        while left:
            if self.should_stop:
                raise Interrupted
            found = await self.reader.getmany(*left, timeout_ms=_LOOK_MS, max_records=len(left))
            if any(record.offset in offsets[at] for at, records in found.items() for record in records):
                return True
            left = {at for at in left if await self.reader.position(at) < offsets[at].stop}
        return False

    async def _group(self) -> dict[TopicPartition, Committed]:
        async with administration(self._settings) as admin:
            return await committed_all(admin, self.feed.group, self.feed.partitions)

    async def _kept(self, hours: int | None) -> dict[TopicPartition, int]:
        """By partition the first offset whose row is not expired; what has none is left out."""
        if hours is None:
            return dict.fromkeys(self.feed.partitions, 0)
        since_ms = int((time.time() - hours * 3_600) * 1_000)
        found = await self.reader.offsets_for_times(dict.fromkeys(self.feed.partitions, since_ms))
        return {at: each.offset for at, each in found.items() if each is not None}


def _say(table: str, at: TopicPartition, seen: Evidence, begun: Start) -> None:
    about = {"table": table, "topic": at.topic, "partition": at.partition, "offset": begun.offset}
    if seen.committed is not None and begun.offset < seen.committed:
        logger().warning(BEHIND, **about, group=seen.committed, table_end=seen.table_end)
    if begun.unproven:
        logger().warning(UNPROVEN, **about, first=begun.unproven.start, last=begun.unproven.stop - 1)
