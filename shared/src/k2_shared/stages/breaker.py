"""The circuit breaker: halts an agent that refuses most of what it reads, or many records in a row."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from prometheus_client import Gauge

_NOTE = re.compile(r"refused=([0-9]{1,9})")


class Tripped(Exception):
    """Too many of the last records of a partition were refused; nothing of the batch was written."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """More than ``share`` of the last ``records`` or more, refused, trips; or ``run`` of them, one after another."""

    records: int = 1_000
    share: float = 0.5
    run: int = 200


@dataclass(frozen=True, slots=True)
class RefusalCounts:
    """The newest batches of a partition, records and refused, and how many of the last records were all refused."""

    batches: Sequence[tuple[int, int]] = ()
    run: int = 0

    @property
    def note(self) -> str:
        """The run of refusals as the metadata of a committed offset, so that it outlives its process."""
        return f"refused={self.run}" if self.run else ""


class RefusalWindow:
    """The refusals among the newest records of one partition, in as few batches as hold the threshold's number."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self.counts = RefusalCounts()

    def judge(self, records: int, refused: Sequence[int]) -> RefusalCounts:
        """Judge a batch that is about to be written, by its refused rows in their order; returns the counts with it.

        Raises:
            Tripped: with it, too many of the last records, or too many in a row, are refused; says how many.
        """
        batches = deque([*self.counts.batches, (records, len(refused))])
        total = sum(n for n, _ in batches)
        while total - batches[0][0] >= self._threshold.records:
            total -= batches.popleft()[0]
        bad = sum(n for _, n in batches)
        if total >= self._threshold.records and bad > self._threshold.share * total:
            raise Tripped(f"{bad} of the last {total} records were refused")
        longest, last = _runs(self.counts.run, records, refused)
        if longest >= self._threshold.run:
            raise Tripped(f"{longest} records in a row were refused")
        return RefusalCounts(tuple(batches), last)

    def take(self, counts: RefusalCounts) -> None:
        """Take over the counts that ``judge`` gave for a batch, once its transaction is committed."""
        self.counts = counts

    def resume(self, note: str) -> None:
        """Begin behind a committed offset; its metadata, if it is ours, has the run of refusals before it."""
        found = _NOTE.fullmatch(note)
        self.counts = RefusalCounts(self.counts.batches, int(found[1]) if found else 0)


def _runs(before: int, records: int, refused: Sequence[int]) -> tuple[int, int]:
    """The longest run of refused rows, and the one at the batch's end; the first may go on from the batch before."""
    run, longest, end = before, 0, 0
    for row in refused:
        run = run + 1 if row == end else 1
        longest, end = max(longest, run), row + 1
    return longest, run if end == records else 0


class Breaker:
    """The agent's own switch: one partition trips it, and every partition waits until it is closed.

    What tripped it goes through once it is closed, also where the partition has left and come back meanwhile.
    """

    def __init__(self, halted: Gauge) -> None:
        self._halted = halted
        self._pardoned: dict[TopicPartition, int] = {}
        self._closed = asyncio.Event()
        self._closed.set()
        self.reason = self.advice = ""

    def trip(self, reason: str, advice: str) -> None:
        """Halt the agent; ``advice`` is what an operator does before the agent is resumed."""
        self.reason, self.advice = reason, advice
        self._closed.clear()
        self._halted.set(1)

    def pardon(self, at: TopicPartition, end: int) -> None:
        """Once the agent is resumed, let every batch of a partition through that begins before ``end``."""
        self._pardoned[at] = end

    def is_pardoned(self, at: TopicPartition, start: int) -> bool:
        """Whether a batch that begins at ``start`` is part of what tripped before; it is asked once the agent works."""
        return start < self._pardoned.get(at, 0)

    def resume(self) -> bool:
        """Let every partition go on; returns whether the agent was halted."""
        was_halted = bool(self.reason)
        self.reason = self.advice = ""
        self._closed.set()
        self._halted.set(0)
        return was_halted

    async def closed(self) -> None:
        """Wait until the agent is not halted; returns at once where it is not."""
        await self._closed.wait()
