"""What fills one table from its topics: collects rows until there are enough or it is time, and has them written.

The next rows are collected while those before are written: whoever waits for a catalog or a server has a core to spare.
So at most two batches are in memory, and one is written at a time.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from k2_shared.core.errors import K2Error, Unavailable
from k2_shared.core.failures import RETRYABLE
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import Interrupted, RetryBudget
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.stages.row_batch import BatchLimits, RowBatch, ToRows

STARTED = "table_sink_started"
SUPERSEDED = "table_sink_superseded"
ENDED = "table_sink_ended"
INTERRUPTED = "table_sink_interrupted"
_POLL_MS = 1_000
_CHUNK = 10_000  # records that are Python objects at a time; with 2,000, their rows cost a third more
_ATTEMPTS = 60
_RETRY_S = 1.0
_BEHIND = 4  # times as long may a batch gather rows whose followers wait already: a larger one costs less a row

Positions = Mapping[TopicPartition, int]
"""By partition, which is a pair of a topic and a number, the next offset to read."""


@dataclass(frozen=True)
class Feed:
    """What a table is fed with: its group, its partitions, how records become rows and when a batch of them is written.

    ``schemas`` has by topic those of what is decoded.
    """

    table: str
    group: str
    partitions: Sequence[TopicPartition]
    rows: ToRows
    limits: BatchLimits
    fetch: clients.Fetch
    schemas: Mapping[str, SubjectSchemas] = field(default_factory=dict)

    @property
    def topics(self) -> list[str]:
        """The topics, by their names in this run."""
        return list(dict.fromkeys(at.topic for at in self.partitions))


class TableSink(Service):  # type: ignore[misc]
    """A Faust service that fills one table; where it fails for good, the other tables' go on.

    What is read goes to ``write``, and once that has it the offsets behind it are committed to Kafka. ``begin`` and
    what is ``between`` batches without rows run alone; ``write`` runs beside the reader, whose position is ahead of it.
    """

    def __init__(self, stage: str, settings: KafkaSettings, feed: Feed, retries: RetryBudget, metrics: Metrics) -> None:
        super().__init__()
        self.feed = feed
        self.positions: dict[TopicPartition, int] = {}
        self.retries = retries
        self.end: K2Error | None = None
        self.done = asyncio.Event()
        self._stage = stage
        self._kafka = settings
        self._metrics = metrics
        self._running = False
        self._wrote = False
        self._read: dict[TopicPartition, int] = {}  # the next offset of what was collected, written or not
        self._writing: asyncio.Task[bool] | None = None

    @abstractmethod
    async def begin(self) -> None:
        """Find out where the table is filled up to, and ``rewind`` to there; at a start, and after a failed ``write``.

        Raises:
            K2Error: it cannot be filled: the table's end.
            Interrupted: the process is to stop.
        """

    @abstractmethod
    async def write(self, batch: RowBatch) -> bool:
        """Write a batch, whatever fails meanwhile; beside the reader, which it does not use.

        False where the table is not as it was left: nothing of the batch counts, and all begins anew.

        Raises:
            K2Error: it cannot be written: the table's end.
            Interrupted: the process is to stop.
        """

    async def between(self, *, wrote: bool) -> None:
        """Do what is to be done after a batch was written, beside the reader, or after a second without records."""

    def check(self) -> None:
        """See that nothing speaks against going on; asked every second and before a batch is written.

        Raises:
            K2Error: something does: the table's end.
        """

    async def on_start(self) -> None:
        reader = clients.consumer(self._kafka, group=self.feed.group, fetch=self.feed.fetch)
        self.reader: AIOKafkaConsumer = await self.add_async_context(clients.started(reader, self._kafka))
        self.reader.assign(list(self.feed.partitions))

    async def on_started(self) -> None:
        self._working = self.add_future(self._work())

    async def on_stop(self) -> None:
        """Let what is under way end; what was read after it is read again by the next owner."""
        self.retries.interrupt()
        await asyncio.wait([self._working])

    def not_ready(self) -> str | None:
        """Why the table is not being kept up, or None while it is."""
        if said := self.end or self.retries.trouble:
            return f"{self.feed.table}: {said}"
        return None if self._running else self.feed.table

    def rewind(self, moved: Positions | None = None) -> None:
        """Drop what was read and not written: every partition is read again from its position, or where it moved."""
        for at in self.feed.partitions:
            self.positions[at] = self._read[at] = (moved or {}).get(at, self.positions.get(at, 0))
            self.reader.seek(at, self.positions[at])

    async def _work(self) -> None:
        """Work until stopped, or until this table cannot be kept up."""
        try:
            await self._keep_up()
        except Interrupted:
            logger().info(INTERRUPTED, table=self.feed.table)
        except K2Error as error:
            self.end = error
            self._failed(error)
            logger().error(ENDED, table=self.feed.table, reason=str(error))
        finally:
            if self._writing:
                await asyncio.wait([self._writing])
            self._running = False
            self.done.set()

    async def _keep_up(self) -> None:
        failures = 0
        while not self.should_stop or self._writing:
            try:
                self.check()
                await (self._batch() if self._running else self._begin())
                failures = 0
            except K2Error:
                raise
            except RETRYABLE as error:
                failures += 1
                self._failed(error)
                if failures >= _ATTEMPTS:
                    raise Unavailable(
                        f"table {self.feed.table} is not kept up: Kafka failed {failures} times in a row, the last "
                        f"{error!r}: check KAFKA_BOOTSTRAP_SERVERS"
                    ) from None
                if self._running:
                    await self._read_again()
                await self.sleep(_RETRY_S)

    def _failed(self, error: Exception) -> None:
        self._metrics.errors.labels(self._stage, type(error).__name__).inc()

    async def _begin(self) -> None:
        await self.begin()
        logger().info(STARTED, table=self.feed.table)
        self._running = True

    async def _batch(self) -> None:
        """Collect rows, and have them written once those before are; at the stop those before are the last."""
        batch = await self.collect()
        if not await self._settled():
            await self._superseded()
        elif batch.parts:
            self.check()
            self._writing = asyncio.create_task(self._written(batch))
        elif not self.should_stop:
            await self.between(wrote=False)

    async def _settled(self) -> bool:
        """Wait for the batch that is being written; False where the table is not as it was left.

        Raises:
            Exception: what writing it raised.
        """
        writing, self._writing = self._writing, None
        return writing is None or await writing

    async def _read_again(self) -> None:
        """Read what is not written again, once nothing is being written."""
        with suppress(KafkaError, OSError):  # of which the one that it is read again for was counted
            await self._settled()
        self.rewind()

    async def _written(self, batch: RowBatch) -> bool:
        with self._metrics.duration.labels(self._stage).time():
            wrote = await self.write(batch)
        if wrote:
            await self._committed(batch)
            if not self.should_stop:
                await self.between(wrote=True)
        return wrote

    def _has_failed(self) -> bool:
        """Whether the batch before was not written, so that what is collected is read in vain."""
        writing = self._writing
        return writing is not None and writing.done() and (bool(writing.exception()) or not writing.result())

    async def collect(self) -> RowBatch:
        """Rows within the limits of a batch, of which time is one, and the stop; after a poll, maybe none."""
        batch, deadline, limits = RowBatch(), float("inf"), self.feed.limits
        interval = limits.interval_s if self._wrote else min(limits.first_s, limits.interval_s)
        while (
            batch.has_capacity(limits) and time.monotonic() < deadline and not (self.should_stop or self._has_failed())
        ):
            wait_ms = min(_POLL_MS, max(0.0, deadline - time.monotonic()) * 1_000)
            limit = min(_CHUNK, limits.rows - batch.count)
            if found := await self.reader.getmany(timeout_ms=int(wait_ms), max_records=limit):
                await self._take(batch, found)
                if deadline == float("inf"):
                    deadline = time.monotonic() + interval * (_BEHIND if self._is_behind() else 1)
            elif not batch.parts:
                break
        return batch

    def _is_behind(self) -> bool:
        """Whether what the broker has beyond what was collected, as far as it has told, is more than another batch."""
        ends = {at: self.reader.highwater(at) or 0 for at in self.feed.partitions}
        return sum(max(0, end - self._read.get(at, 0)) for at, end in ends.items()) > self.feed.limits.rows

    async def _take(self, batch: RowBatch, found: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for at, records in found.items():
            batch.touched[at] = self._read[at] = await self.reader.position(at)
            if schemas := self.feed.schemas.get(at.topic):
                await schemas.learn(records)
        batch.take(found.values(), await asyncio.to_thread(self._to_rows, found))

    def _to_rows(self, found: Mapping[TopicPartition, Sequence[Any]]) -> pa.Table:
        return self.feed.rows([record for records in found.values() for record in records])

    async def _superseded(self) -> None:
        logger().warning(SUPERSEDED, table=self.feed.table)
        self._metrics.tables.commits.labels(self.feed.table, "superseded").inc()
        await self.begin()

    async def _committed(self, batch: RowBatch) -> None:
        self._wrote = True
        self.positions.update(batch.touched)
        self._metrics.tables.commits.labels(self.feed.table, "committed").inc()
        self._metrics.tables.rows.labels(self.feed.table).inc(batch.count)
        if batch.oldest_ns:
            self._metrics.pipeline_age.labels(self.feed.table).observe(max(0.0, time.time() - batch.oldest_ns / 1e9))
        await self.reader.commit(dict(batch.touched))
