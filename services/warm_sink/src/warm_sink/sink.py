"""What fills one table of the warm tier: inserted first, then committed to Kafka, so a row may come twice, as one."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pyarrow as pa
from aiokafka import TopicPartition

from k2_shared.core.contracts import WarmTableContract
from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.retries import RetryBudget, UsedUp, reason
from k2_shared.core.telemetry import Metrics, logger
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
from warm_sink.rows import by_days
from warm_sink.rules import Evidence, Source, Standing, Start, new_sources, start
from warm_sink.settings import SERVICE, WarmSinkSettings

T = TypeVar("T")

BEHIND = "warm_table_filled_again"
UNPROVEN = "warm_table_unproven"
ATTEMPT_FAILED = "warm_table_attempt_failed"
_FETCH = clients.Fetch(partition_bytes=256 * 1024, total_bytes=4 * 1024 * 1024, wait_ms=200)
_DAYS = 100  # of one insert: a thousand, each a part to write, took as long as a query may
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
        self, settings: WarmSinkSettings, names: Names, table: WarmTable, warehouse: Warehouse, metrics: Metrics
    ) -> None:
        feed = table.feed(settings, names)
        super().__init__(SERVICE, settings, feed, RetryBudget(settings.warm_insert_attempts, self._tell), metrics)
        self._settings = settings
        self._names = names
        self._table = table
        self._warehouse = warehouse
        self._committed_at = time.monotonic()

    def check(self) -> None:
        if said := self._table.topics.contradictions(self.feed.topics):
            raise Halt("; ".join(said))

    async def begin(self) -> None:
        standing = await asyncio.to_thread(self._tried, "read", self._standing)
        starts = await self._starts(standing)
        self.rewind({at: start.offset for at, start in starts.items()})
        # An insert of which a part lands moves the table's end beyond what is read again: the group's offset must not.
        await self._commit()

    async def write(self, batch: RowBatch) -> Positions | None:
        rows = pa.concat_tables(batch.parts)
        batch.parts.clear()
        await asyncio.to_thread(self._insert, rows)
        self._metrics.warm.newest.labels(self.feed.table).set(batch.newest_ms / 1_000)
        return None

    async def between(self, *, wrote: bool) -> None:
        if time.monotonic() - self._committed_at >= _COMMIT_AGAIN_S:
            self.positions.update({at: await self.reader.position(at) for at in self.feed.partitions})
            await self._commit()

    async def on_stop(self) -> None:
        await super().on_stop()
        await asyncio.to_thread(self._warehouse.close)

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

    def _standing(self) -> Standing:
        """What the table says, once its sources are known to be those that are there now."""
        table, sources = self.feed.table, self._table.sources(self._names)
        found = self._warehouse.standing(table)
        if new := new_sources(table, found, sources):
            self._warehouse.remember(table, new)
        return found

    def _insert(self, rows: pa.Table) -> None:
        """Insert rows, of which each piece may have landed before, and give back the memory that they took. Blocks."""
        for piece in by_days(rows, self._table.contract.partition_by, _DAYS):
            self._tried("written", partial(self._warehouse.insert, self.feed.table, piece))
        give_back()

    async def _starts(self, standing: Standing) -> dict[TopicPartition, Start]:
        """Where each partition is read on."""
        committed = await self._group()
        kept = await self._kept()
        starts = {}
        for at, log in (await offset_ranges_now(self._settings, self.feed.partitions)).items():
            first = max(log.start, min(kept.get(at, log.stop), log.stop))
            seen = Evidence(committed[at].offset, standing.ends.get(at, 0), log, first)
            starts[at] = start(f"{self.feed.table}: {at.topic}[{at.partition}]", seen)
            self._say(at, seen, starts[at])
        return starts

    async def _group(self) -> dict[TopicPartition, Committed]:
        async with administration(self._settings) as admin:
            return await committed_all(admin, self.feed.group, self.feed.partitions)

    async def _kept(self) -> dict[TopicPartition, int]:
        """By partition the first offset whose row is not expired; what has none is left out."""
        hours = self._table.contract.retention_hours
        if hours is None:
            return dict.fromkeys(self.feed.partitions, 0)
        since_ms = int((time.time() - hours * 3_600) * 1_000)
        found = await self.reader.offsets_for_times(dict.fromkeys(self.feed.partitions, since_ms))
        return {at: each.offset for at, each in found.items() if each is not None}

    def _say(self, at: TopicPartition, seen: Evidence, begun: Start) -> None:
        about = {"table": self.feed.table, "topic": at.topic, "partition": at.partition, "offset": begun.offset}
        if seen.committed is not None and begun.offset < seen.committed:
            logger().warning(BEHIND, **about, group=seen.committed, table_end=seen.table_end)
        if begun.unproven:
            logger().warning(UNPROVEN, **about, first=begun.unproven.start, last=begun.unproven.stop - 1)
