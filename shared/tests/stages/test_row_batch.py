"""What a sink gathers before it writes."""

import pyarrow as pa

from k2_shared.stages.row_batch import RowBatch


def test_a_batch_counts_its_bytes_and_its_oldest_receipt() -> None:
    """Rows stay, records go."""
    batch = RowBatch()
    batch.take([], pa.table({"a": pa.array([1, 2], pa.int64())}))
    batch.take([], pa.table({"a": pa.array([3], pa.int64())}))
    assert (batch.count, batch.bytes, batch.oldest_ns) == (3, 24, 0)
