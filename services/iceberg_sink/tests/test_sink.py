"""What the sink gathers before a commit."""

import pyarrow as pa

from iceberg_sink.sink import RowBatch


def test_a_batch_counts_its_bytes_and_its_oldest_receipt() -> None:
    """Rows stay, records go."""
    batch = RowBatch()
    batch.take([], pa.table({"a": pa.array([1, 2], pa.int64())}))
    batch.take([], pa.table({"a": pa.array([3], pa.int64())}))
    assert (batch.count, batch.bytes, batch.oldest_ns) == (3, 24, 0)
