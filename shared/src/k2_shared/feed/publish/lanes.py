"""Records gathered into batches, one partition each: what Kafka has acknowledged, and what it has not."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition


@dataclass(slots=True)
class Backlog:
    """Appended and not yet acknowledged, over all partitions; ``bytes`` counts values alone."""

    records: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Batch:
    """Records of one partition that are sent together; ``bytes`` counts values alone."""

    builder: Any
    bytes: int = 0

    @property
    def records(self) -> int:
        """How many."""
        return int(self.builder.record_count())


@dataclass(slots=True)
class Lane:
    """One partition: a batch takes records, full ones wait behind the one that is on its way."""

    topic: str  # the contract's name
    at: TopicPartition  # in this run
    backlog: Backlog
    create_batch: Callable[[], Any]
    appended: int = 0
    acknowledged: int = 0
    sending: bool = False
    departed: float = 0.0  # when the batch that is on its way was handed over, by the monotonic clock
    full: deque[Batch] = field(default_factory=deque)
    _open: Batch = field(init=False)

    def __post_init__(self) -> None:
        self._open = Batch(self.create_batch())

    def append(self, timestamp: int, key: bytes | None, value: bytes | None, headers: Sequence[Any]) -> None:
        """Add a record; ``timestamp`` is in ms, headers are pairs of name and bytes."""
        batch = self._open
        if batch.builder.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
            batch = self._turn()
            batch.builder.append(timestamp=timestamp, key=key, value=value, headers=headers)  # the first always fits
        size = len(value) if value else 0
        batch.bytes += size
        self.appended += 1
        self.backlog.records += 1
        self.backlog.bytes += size

    @property
    def waits(self) -> bool:
        """Whether there is something to send, and nothing on its way."""
        return not self.sending and bool(self.full or self._open.records)

    def depart(self) -> Batch:
        """The next batch to send; the lane sends no other until this one has arrived."""
        self.sending, self.departed = True, time.monotonic()
        if not self.full:
            self._turn()
        return self.full.popleft()

    def arrive(self, batch: Batch) -> None:
        """A batch is acknowledged."""
        self.sending = False
        self.acknowledged += batch.records
        self.backlog.records -= batch.records
        self.backlog.bytes -= batch.bytes

    def _turn(self) -> Batch:
        """Close the open batch and begin another."""
        self.full.append(self._open)
        self._open = Batch(self.create_batch())
        return self._open
