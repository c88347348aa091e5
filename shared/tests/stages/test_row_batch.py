"""What a sink gathers before it writes."""

import pyarrow as pa

from k2_shared.stages.row_batch import RowBatch
from k2_support.records import RECEIVED_NS, FakeRecord


def test_a_batch_counts_its_bytes_and_knows_its_oldest_receipt_and_newest_record() -> None:
    """Rows stay, records go."""
    batch = RowBatch()
    batch.take([], pa.table({"a": pa.array([1, 2], pa.int64())}))
    batch.take([[FakeRecord(b"k", b"v")]], pa.table({"a": pa.array([3], pa.int64())}))
    assert (batch.count, batch.bytes) == (3, 24)
    assert (batch.oldest_ns, batch.newest_ms) == (RECEIVED_NS, RECEIVED_NS // 1_000_000)
    batch.take([[FakeRecord(b"k", b"v", timestamp=7, headers=())]], pa.table({"a": pa.array([3], pa.int64())}))
    assert (batch.oldest_ns, batch.newest_ms) == (RECEIVED_NS, RECEIVED_NS // 1_000_000)
