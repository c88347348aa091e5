"""When a table's sink has collected enough to write, and what it does while that is written."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import RetryBudget
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.clients import Fetch
from k2_shared.stages import table_sink
from k2_shared.stages.row_batch import BatchLimits, RowBatch
from k2_shared.stages.table_sink import Feed, TableSink
from k2_support.records import FakeRecord
from k2_support.waiting import eventually

AT = TopicPartition("topic", 0)
LIMITS = BatchLimits(rows=100, bytes=1_000_000, interval_s=1.0, first_s=1.0)
A_POLL = 10


class Sink(TableSink):
    """Writes nothing."""

    async def begin(self) -> None: ...
    async def write(self, batch: RowBatch) -> bool:
        return True


class Reader:
    """A partition of which each poll brings ten records in half a second."""

    def __init__(self, end: int) -> None:
        self.now, self.read, self._end = 0.0, 0, end

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[FakeRecord]]:
        assert max_records >= A_POLL
        self.now += max(0.5, timeout_ms / 1e3 if self.read >= self._end else 0.0)
        count = min(A_POLL, self._end - self.read)
        self.read += count
        return {AT: [FakeRecord(b"", b"")] * count} if count else {}

    async def position(self, _at: TopicPartition) -> int:
        return self.read

    def highwater(self, _at: TopicPartition) -> int | None:
        return self._end if self.read else None


@pytest.mark.parametrize(
    ("end", "collected"), [(0, 0), (A_POLL, A_POLL), (3 * A_POLL, 3 * A_POLL), (110, 30), (111, 90), (1_000, 90)]
)
async def test_a_batch_is_as_old_as_its_interval_or_four_times_where_more_than_another_waits(
    monkeypatch: pytest.MonkeyPatch, end: int, collected: int
) -> None:
    """What waits is known since the first poll: of 110 offsets a hundred are left after it, which is one batch."""
    feed = Feed("table", "group", [AT], lambda batch: pa.table({"n": range(len(batch))}), LIMITS, Fetch())
    sink, reader = (
        Sink("stage", KafkaSettings.load(), feed, RetryBudget(2, lambda _: None), Metrics("stage", "0")),
        Reader(end),
    )
    sink_reader: Any = reader
    sink.reader = sink_reader
    monkeypatch.setattr(table_sink.time, "monotonic", lambda: reader.now)
    assert (await sink.collect()).count == collected


@dataclass
class Partition:
    """A partition of so many records, of which each poll brings ten; each is its offset."""

    end: int
    at: int = 0
    committed: int = 0
    polls: list[Exception] = field(default_factory=list)
    commits: list[Exception] = field(default_factory=list)

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[FakeRecord]]:
        await asyncio.sleep(0.001 if self.at < self.end else min(0.05, timeout_ms / 1e3))
        if self.polls and self.at > LIMITS.rows:
            raise self.polls.pop()
        first, self.at = self.at, min(self.at + min(A_POLL, max_records), self.end)
        return {AT: [FakeRecord(b"", b"", offset=n) for n in range(first, self.at)]} if self.at > first else {}

    async def position(self, _at: TopicPartition) -> int:
        return self.at

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.commits:
            raise self.commits.pop()
        self.committed = offsets[AT]

    def seek(self, _at: TopicPartition, offset: int) -> None:
        self.at = offset

    def highwater(self, _at: TopicPartition) -> int | None:
        return self.end


class Held(Sink):
    """Writes down which offsets it is given; each write is ``held`` first, and may be refused or fail."""

    def __init__(self, partition: Partition, held: Callable[[int], Awaitable[bool]]) -> None:
        feed = Feed("table", "group", [AT], _offsets, LIMITS, Fetch())
        super().__init__("stage", KafkaSettings.load(), feed, RetryBudget(2, lambda _: None), Metrics("stage", "0"))
        self.partition, self.held = partition, held
        self.written: list[int] = []
        self.writes = self.most_ahead = 0

    async def on_start(self) -> None:
        reader: Any = self.partition
        self.reader = reader

    async def begin(self) -> None:
        self.rewind({AT: len(self.written)})

    async def write(self, batch: RowBatch) -> bool:
        self.writes += 1
        if wrote := await self.held(self.writes):
            self.most_ahead = max(self.most_ahead, self.partition.at - len(self.written))
            self.written += pa.concat_tables(batch.parts)["offset"].to_pylist()
        return wrote

    def has_all(self) -> bool:
        """Whether every offset was written once, in order, and all are committed."""
        return self.written == list(range(self.partition.end)) and self.partition.committed == self.partition.end


def _offsets(batch: Any) -> pa.Table:
    return pa.table({"offset": [record.offset for record in batch]})


async def at_once(_write: int) -> bool:
    """Every batch is written."""
    return True


async def test_the_next_rows_are_collected_while_a_batch_is_written() -> None:
    """One batch more and no third; then they are written one by one, in their order."""
    gate = asyncio.Event()

    async def closed(_write: int) -> bool:
        return await gate.wait()

    sink = Held(Partition(450), closed)
    await sink.start()
    await eventually(lambda: sink.partition.at == 2 * LIMITS.rows, "a second batch")
    assert (sink.writes, sink.partition.committed) == (1, 0)
    gate.set()
    await eventually(sink.has_all, "every row")
    assert (sink.writes, sink.most_ahead) == (5, 2 * LIMITS.rows)
    await sink.stop()


async def test_what_was_collected_behind_a_refused_batch_is_read_again() -> None:
    """All begins anew, so nothing lacks and nothing comes twice."""

    async def refused_once(write: int) -> bool:
        return write != 2

    sink = Held(Partition(450), refused_once)
    await sink.start()
    await eventually(sink.has_all, "every row")
    await sink.stop()


async def test_where_a_commit_to_kafka_fails_what_was_written_stays() -> None:
    """What was collected meanwhile is read again; the next commit has the offset of both."""
    sink = Held(Partition(450, commits=[KafkaError("away")]), at_once)
    await sink.start()
    await eventually(sink.has_all, "every row")
    await sink.stop()


async def test_where_a_poll_fails_a_batch_that_is_being_written_ends_first() -> None:
    """Reading goes on behind it."""
    gate = asyncio.Event()

    async def closed_once(write: int) -> bool:
        return write != 1 or await gate.wait()

    sink = Held(Partition(450, polls=[KafkaError("away")]), closed_once)
    await sink.start()
    await eventually(lambda: not sink.partition.polls, "the failing poll")
    assert (sink.writes, sink.written, sink.partition.at) == (1, [], LIMITS.rows + A_POLL)
    gate.set()
    await eventually(sink.has_all, "every row")
    await sink.stop()


@pytest.mark.parametrize("error", [Halt("damaged"), Unavailable("away")])
async def test_a_write_that_ends_the_table_ends_it_though_no_record_comes(error: Exception) -> None:
    """It is not first noticed with the next rows."""

    async def ends(_write: int) -> bool:
        raise error

    sink = Held(Partition(100), ends)
    await sink.start()
    await asyncio.wait_for(sink.done.wait(), 60)
    assert sink.end is error
    assert sink.partition.committed == 0
    await sink.stop()


async def test_at_the_stop_what_was_collected_is_written() -> None:
    """Behind the batch that is being written just then."""
    gate = asyncio.Event()

    async def closed(_write: int) -> bool:
        return await gate.wait()

    sink = Held(Partition(150), closed)
    await sink.start()
    await eventually(lambda: sink.partition.at == 150, "the rest")
    stopping = asyncio.ensure_future(sink.stop())
    await eventually(lambda: sink.should_stop, "the stop")
    assert not stopping.done()
    gate.set()
    await stopping
    assert sink.has_all()
