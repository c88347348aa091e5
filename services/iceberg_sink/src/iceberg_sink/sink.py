"""One table's committer: reads its topics, commits every few seconds or rows; the table's offsets win."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from aiokafka import AIOKafkaConsumer, TopicPartition
from mode import Service

from iceberg_sink.housekeeping import Housekeeper
from iceberg_sink.rows import ToRows, gathered
from iceberg_sink.settings import SinkSettings
from k2_shared.core.contracts import TableContract
from k2_shared.core.errors import Halt, K2Error, Unavailable
from k2_shared.core.failures import RETRYABLE
from k2_shared.core.origin import received_ns
from k2_shared.core.telemetry import Metrics, logger
from k2_shared.kafka import clients
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names
from k2_shared.lake.memory import give_back
from k2_shared.lake.retries import Interrupted
from k2_shared.lake.sink_state import SinkState, TableOffsets, check_world
from k2_shared.lake.table import Commit, LakeTable, Superseded

STARTED = "table_sink_started"
SUPERSEDED = "table_sink_superseded"
ENDED = "table_sink_ended"
INTERRUPTED = "table_sink_interrupted"
_POLL_MS = 1_000
_FETCH = clients.Fetch(partition_bytes=256 * 1024, total_bytes=4 * 1024 * 1024, wait_ms=500)
_CHUNK = 2_000  # records that are Python objects at a time
_FIRST_S = 0.5
_ATTEMPTS = 60
_RETRY_S = 1.0


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


@dataclass
class RowBatch:
    """Rows that were read and not committed yet, in parts; each partition's next offset; the oldest receipt (ns)."""

    parts: list[pa.Table] = field(default_factory=list)
    touched: dict[TopicPartition, int] = field(default_factory=dict)
    count: int = 0
    bytes: int = 0
    oldest_ns: int = 0

    def has_capacity(self, limits: SinkSettings) -> bool:
        """Whether more may be read before it is committed."""
        return self.count < limits.sink_max_rows and self.bytes < limits.sink_max_bytes

    def take(self, found: Iterable[Sequence[Any]], rows: pa.Table) -> None:
        """Add records' rows; the records themselves, which take several times the memory, are not kept."""
        self.parts.append(rows)
        self.count += rows.num_rows
        self.bytes += rows.nbytes
        oldest = min((received_ns(records[0].headers) or 0 for records in found), default=0)
        self.oldest_ns = min(filter(None, (self.oldest_ns, oldest)), default=0)


class TableSink(Service):  # type: ignore[misc]
    """A Faust service that fills one table from its topics; where it fails for good, the other tables' go on."""

    def __init__(self, settings: SinkSettings, names: Names, sink_table: SinkTable, metrics: Metrics) -> None:
        super().__init__()
        self._settings = settings
        self._sink_table = sink_table
        self._metrics = metrics
        self.topics = [names.topic(name) for name in sink_table.contract.topics]
        self._partitions = [at for name in sink_table.contract.topics for at in names.partitions(name)]
        self._name = sink_table.contract.name
        self.group = names.table_group(self._name)
        self._housekeeper = Housekeeper(self._name, sink_table.table, settings, metrics)
        self._positions: dict[TopicPartition, int] = {}
        self._running = False
        self._began = False
        self.end: K2Error | None = None
        self.done = asyncio.Event()

    async def on_start(self) -> None:
        reader = clients.consumer(self._settings, group=self.group, fetch=_FETCH)
        self._reader: AIOKafkaConsumer = await self.add_async_context(clients.started(reader, self._settings))
        self._reader.assign(self._partitions)

    async def on_started(self) -> None:
        self._working = self.add_future(self._work())

    async def on_stop(self) -> None:
        """Let the commit that is under way end; what was read after it is read again by the next owner."""
        self._sink_table.table.retries.interrupt()
        await asyncio.wait([self._working])

    def not_ready(self) -> str | None:
        """Why the table is not being kept up, or None while it is."""
        if reason := self.end or self._sink_table.table.retries.trouble:
            return f"{self._name}: {reason}"
        return None if self._running else self._name

    async def _work(self) -> None:
        """Work until stopped, or until this table cannot be kept up."""
        try:
            await self._keep_up()
        except Interrupted:
            logger().info(INTERRUPTED, table=self._name)
        except K2Error as error:
            self.end = error
            self._metrics.errors.labels("iceberg_sink", type(error).__name__).inc()
            logger().error(ENDED, table=self._name, reason=str(error))
        finally:
            self._running = False
            self.done.set()

    async def _keep_up(self) -> None:
        failures = 0
        while not self.should_stop:
            try:
                await (self._batch() if self._running else self._begin())
                failures = 0
            except K2Error:
                raise
            except RETRYABLE as error:
                failures += 1
                self._metrics.errors.labels("iceberg_sink", type(error).__name__).inc()
                if failures >= _ATTEMPTS:
                    raise Unavailable(
                        f"table {self._name} is not kept up: Kafka failed {failures} times in a row, the last "
                        f"{error!r}: check KAFKA_BOOTSTRAP_SERVERS"
                    ) from None
                if self._running:
                    self._rewind()
                await self.sleep(_RETRY_S)

    async def _begin(self) -> None:
        await self._take_position(await asyncio.to_thread(self._sink_table.table.state))
        logger().info(STARTED, table=self._name)
        self._running = True

    async def _take_position(self, state: SinkState | None) -> None:
        """Read on at the offsets in the table; those committed in Kafka only show the lag."""
        starts = await self._reader.beginning_offsets(self._partitions)
        log_starts = {(at.topic, at.partition): offset for at, offset in starts.items()}
        if state is None:
            await self._check_untouched()
        else:
            check_world(state, self._sink_table.table.uuid, self._sink_table.kafka, log_starts)
        self._rewind({**log_starts, **(state.offsets if state else {})})
        if state is not None:  # a crash between the table's commit and Kafka's would leave a lag that is none
            await self._reader.commit(dict(self._positions))

    async def _check_untouched(self) -> None:
        """See that the sink has not committed to Kafka either, where the table has no state of it.

        Raises:
            Halt: it has, so the table was recreated.
        """
        for at in self._partitions:
            if await self._reader.committed(at) is not None:
                raise Halt(
                    f"table {self._name} holds no state of this sink, yet group {self.group} has "
                    "committed offsets: the table was recreated; delete the group to build it anew from Kafka"
                )

    def _rewind(self, moved: TableOffsets | None = None) -> None:
        """Drop what was read and not committed: every partition is read again from the table's offset."""
        for at in self._partitions:
            self._positions[at] = (moved or {}).get((at.topic, at.partition), self._positions.get(at, 0))
            self._reader.seek(at, self._positions[at])

    async def _batch(self) -> None:
        batch = await self._collect()
        if not batch.parts:
            return
        try:
            with self._metrics.duration.labels("iceberg_sink").time():
                await asyncio.to_thread(self._write, batch)
        except Superseded as other:
            logger().warning(SUPERSEDED, table=self._name)
            self._metrics.tables.commits.labels(self._name, "superseded").inc()
            self._rewind(other.offsets)
            return
        await self._committed(batch)
        if self._housekeeper.due() and not self.should_stop:
            await asyncio.to_thread(self._housekeeper.work)

    async def _collect(self) -> RowBatch:
        """Rows of at most ``sink_interval_s`` after the first, ``sink_max_rows``, ``sink_max_bytes`` and the stop.

        What a start finds is committed after ``_FIRST_S``: it has waited for the start already.
        """
        batch, deadline = RowBatch(), float("inf")
        interval = self._settings.sink_interval_s if self._began else min(_FIRST_S, self._settings.sink_interval_s)
        while batch.has_capacity(self._settings) and time.monotonic() < deadline and not self.should_stop:
            limit = min(_CHUNK, self._settings.sink_max_rows - batch.count)
            if found := await self._reader.getmany(timeout_ms=_POLL_MS, max_records=limit):
                deadline = min(deadline, time.monotonic() + interval)
                for at in found:
                    batch.touched[at] = await self._reader.position(at)
                    if schemas := self._sink_table.schemas.get(at.topic):
                        await schemas.learn(found[at])
                batch.take(found.values(), await asyncio.to_thread(self._to_rows, found))
        return batch

    def _to_rows(self, found: Mapping[TopicPartition, Sequence[Any]]) -> pa.Table:
        return self._sink_table.rows([record for records in found.values() for record in records])

    def _write(self, batch: RowBatch) -> None:
        """Commit what was collected, and give back the memory that it took. Blocks."""
        rows = gathered(batch.parts, self._sink_table.contract.sort_by)
        batch.parts.clear()
        start = {(at.topic, at.partition): self._positions[at] for at in batch.touched}
        end = {(at.topic, at.partition): position for at, position in batch.touched.items()}
        try:
            self._sink_table.table.commit(Commit(rows, start, end))
        finally:
            del rows
            give_back()

    async def _committed(self, batch: RowBatch) -> None:
        self._began = True
        self._positions.update(batch.touched)
        self._metrics.tables.commits.labels(self._name, "committed").inc()
        self._metrics.tables.rows.labels(self._name).inc(batch.count)
        if batch.oldest_ns:
            self._metrics.pipeline_age.labels(self._name).observe(max(0.0, time.time() - batch.oldest_ns / 1e9))
        await self._reader.commit(dict(batch.touched))
