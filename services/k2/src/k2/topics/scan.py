"""What the records of a partition say of it, taken batch by batch: pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from k2_shared.core.records import Consumed


@dataclass
class Unread:
    """The committed records from an offset on: how many, and the time of the first in ms."""

    records: int = 0
    since_ms: int | None = None


@dataclass
class Scan:
    """Committed records of one partition: how many, their times, and how many stand behind each reader.

    Times are milliseconds since the epoch, as the records say. ``readers`` are the offsets at which somebody would go
    on reading; ``recent`` counts records that are not older than ``recent_from_ms``.
    """

    recent_from_ms: int
    readers: Iterable[int] = ()
    records: int = 0
    recent: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    unread: dict[int, Unread] = field(init=False)

    def __post_init__(self) -> None:
        self.unread = {offset: Unread() for offset in self.readers}

    def add(self, batch: Sequence[Consumed]) -> None:
        """Take a batch, in the order of its offsets."""
        if not batch:
            return
        self.records += len(batch)
        self.recent += sum(record.timestamp >= self.recent_from_ms for record in batch)
        if self.first_ms is None:
            self.first_ms = batch[0].timestamp
        self.last_ms = batch[-1].timestamp
        for offset, unread in self.unread.items():
            first = bisect_left(batch, offset, key=lambda record: record.offset)
            if first < len(batch):
                unread.records += len(batch) - first
                if unread.since_ms is None:
                    unread.since_ms = batch[first].timestamp
