"""What a table's sink collects of its topics before it writes: rows, where they end, and when it is enough."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from aiokafka import TopicPartition

from k2_shared.core.origin import received_ns
from k2_shared.core.records import Consumed, RecordBatch

ToRows = Callable[[RecordBatch], pa.Table]
"""How a table's rows are made of records: a function of the records alone."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is written: so many rows, bytes of rows in memory, or seconds after its first record.

    What a start finds is written after ``first_s``: it has waited for the start already.
    """

    rows: int
    bytes: int
    interval_s: float
    first_s: float = 0.5


@dataclass
class RowBatch:
    """Rows that were read and not written yet, in parts; each partition's next offset; the oldest receipt (ns).

    ``newest_ms`` is the newest time of the last records of partitions.
    """

    parts: list[pa.Table] = field(default_factory=list)
    touched: dict[TopicPartition, int] = field(default_factory=dict)
    count: int = 0
    bytes: int = 0
    oldest_ns: int = 0
    newest_ms: int = 0

    def has_capacity(self, limits: BatchLimits) -> bool:
        """Whether more may be read before it is written."""
        return self.count < limits.rows and self.bytes < limits.bytes

    def take(self, found: Collection[Sequence[Consumed]], rows: pa.Table) -> None:
        """Add records' rows; the records themselves, which take several times the memory, are not kept."""
        self.parts.append(rows)
        self.count += rows.num_rows
        self.bytes += rows.nbytes
        oldest = min((received_ns(records[0].headers) or 0 for records in found), default=0)
        self.oldest_ns = min(filter(None, (self.oldest_ns, oldest)), default=0)
        self.newest_ms = max([self.newest_ms, *(records[-1].timestamp for records in found)])
