"""When a table's sink has collected enough to write."""

from typing import Any

import pyarrow as pa
import pytest
from aiokafka import TopicPartition

from k2_shared.core.retries import RetryBudget
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.telemetry import Metrics
from k2_shared.kafka.clients import Fetch
from k2_shared.stages import table_sink
from k2_shared.stages.row_batch import BatchLimits, RowBatch
from k2_shared.stages.table_sink import Feed, Positions, TableSink
from k2_support.records import FakeRecord

AT = TopicPartition("topic", 0)
LIMITS = BatchLimits(rows=100, bytes=1_000_000, interval_s=1.0, first_s=1.0)
A_POLL = 10


class Sink(TableSink):
    """Writes nothing."""

    async def begin(self) -> None: ...
    async def write(self, batch: RowBatch) -> Positions | None: ...


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
