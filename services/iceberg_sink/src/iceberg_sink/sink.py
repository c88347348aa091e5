"""One table's committer: rows and offsets in one commit, every few seconds or rows; the table's offsets win."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from iceberg_sink.housekeeping import Housekeeper
from iceberg_sink.rows import gathered
from iceberg_sink.settings import SinkSettings
from k2_shared.core.contracts import TableContract
from k2_shared.core.errors import Halt
from k2_shared.core.metrics import Metrics
from k2_shared.kafka import clients
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names
from k2_shared.lake.memory import give_back
from k2_shared.lake.sink_state import SinkState, World, check_world
from k2_shared.lake.table import Commit, LakeTable, Superseded
from k2_shared.lake.tally import Tally
from k2_shared.stages.row_batch import BatchLimits, RowBatch, ToRows
from k2_shared.stages.table_sink import Feed, TableSink

_FETCH = clients.Fetch(partition_bytes=1024 * 1024, total_bytes=4 * 1024 * 1024, wait_ms=500)


@dataclass(frozen=True)
class SinkTable:
    """A table to fill: its contract, its commit protocol, how records become its rows, and the cluster that feeds it.

    ``schemas`` has by topic those of what is decoded.
    """

    contract: TableContract
    table: LakeTable
    rows: ToRows
    kafka: Identity
    schemas: Mapping[str, SubjectSchemas] = field(default_factory=dict)

    def feed(self, settings: SinkSettings, names: Names) -> Feed:
        """What it is fed with in a run."""
        return Feed(
            table=self.contract.name,
            group=names.table_group(self.contract.name),
            partitions=[at for name in self.contract.topics for at in names.partitions(name)],
            rows=self.rows,
            limits=limits(settings),
            fetch=_FETCH,
            schemas=self.schemas,
        )


def limits(settings: SinkSettings) -> BatchLimits:
    """When a batch is committed."""
    return BatchLimits(settings.sink_max_rows, settings.sink_max_bytes, settings.sink_interval_s)


class LakeTableSink(TableSink):
    """A Faust service that commits to one Iceberg table, from the offsets in it."""

    def __init__(self, settings: SinkSettings, names: Names, sink_table: SinkTable, metrics: Metrics) -> None:
        feed, table = sink_table.feed(settings, names), sink_table.table
        super().__init__("iceberg_sink", settings, feed, table.retries, metrics)
        self._sink_table = sink_table
        self._measures = metrics.tables
        self._housekeeper = Housekeeper(feed.table, table, settings, metrics)

    async def begin(self) -> None:
        await self._take_position(await asyncio.to_thread(self._sink_table.table.state))

    async def write(self, batch: RowBatch) -> bool:
        try:
            with self._measures.commit_seconds.labels(self.feed.table).time():
                await asyncio.to_thread(self._write, batch)
        except Superseded:
            return False
        finally:
            self._count(self._sink_table.table.tally())
        self._measures.newest.labels(self.feed.table).set(batch.newest_ms / 1_000)
        return True

    def _count(self, tally: Tally) -> None:
        self._measures.files.labels(self.feed.table).inc(tally.files)
        self._measures.bytes.labels(self.feed.table).inc(tally.bytes)
        self._measures.conflicts.labels(self.feed.table).inc(tally.conflicts)

    async def between(self, *, wrote: bool) -> None:
        if wrote and self._housekeeper.due():
            await asyncio.to_thread(self._housekeeper.work)

    async def _take_position(self, state: SinkState | None) -> None:
        """Read on at the offsets in the table; those committed in Kafka only show the lag."""
        logs = await offset_ranges(self.reader, self.feed.partitions)
        if state is None:
            await self._check_untouched()
        else:
            check_world(state, World(self._sink_table.table.uuid, self._sink_table.kafka, logs))
        self.rewind({at: log.start for at, log in logs.items()} | (dict(state.offsets) if state else {}))
        if state is not None:  # a crash between the table's commit and Kafka's would leave a lag that is none
            await self.reader.commit(dict(self.positions))

    async def _check_untouched(self) -> None:
        """See that the sink has not committed to Kafka either, where the table has no state of it.

        Raises:
            Halt: it has, so the table was recreated.
        """
        for at in self.feed.partitions:
            if await self.reader.committed(at) is not None:
                raise Halt(
                    f"table {self.feed.table} holds no state of this sink, yet group {self.feed.group} has "
                    "committed offsets: the table was recreated; 'k2 sink resolve' has it built anew from Kafka"
                )

    def _write(self, batch: RowBatch) -> None:
        """Commit what was collected, and give back the memory that it took. Blocks."""
        rows = gathered(batch.parts, self._sink_table.contract.sort_by)
        batch.parts.clear()
        start = {at: self.positions[at] for at in batch.touched}
        try:
            self._sink_table.table.commit(Commit(rows, start, batch.touched))
        finally:
            del rows
            give_back()
