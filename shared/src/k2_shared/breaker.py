"""Halts an agent that refuses most of what it reads, so that a bad deploy is not drained into the dead letters."""

import asyncio
from collections import deque
from dataclasses import dataclass

from prometheus_client import Gauge


class Tripped(Exception):
    """Too many of the last records of a partition were refused; nothing of the batch was written."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """More than ``share`` of the last ``records`` or more, refused, trips."""

    records: int = 1_000
    share: float = 0.5


class Window:
    """The newest batches of one partition: as few as hold the threshold's number of records."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._batches: deque[tuple[int, int]] = deque()
        self._pardoned = False

    def judge(self, records: int, refused: int) -> None:
        """Count a batch that is about to be written.

        Raises:
            Tripped: with it, too many of the last records are refused; says how many.
        """
        if self._pardoned:
            self._pardoned = False
            return
        self._batches.append((records, refused))
        while sum(n for n, _ in self._batches) - self._batches[0][0] >= self._threshold.records:
            self._batches.popleft()
        read, bad = (sum(column) for column in zip(*self._batches, strict=True))
        if read >= self._threshold.records and bad > self._threshold.share * read:
            raise Tripped(f"{bad} of the last {read} records were refused")

    def pardon(self) -> None:
        """An operator has looked: the next batch goes through, and counting starts anew."""
        self._batches.clear()
        self._pardoned = True


class Breaker:
    """The agent's own switch: one partition trips it, and every partition waits until it is closed."""

    def __init__(self, halted: Gauge) -> None:
        self._halted = halted
        self._closed = asyncio.Event()
        self._closed.set()
        self.reason = ""

    def trip(self, reason: str) -> None:
        """Halt the agent."""
        self.reason = reason
        self._closed.clear()
        self._halted.set(1)

    def resume(self) -> bool:
        """Let the agent go on; whether it was halted."""
        was_halted = bool(self.reason)
        self.reason = ""
        self._closed.set()
        self._halted.set(0)
        return was_halted

    async def closed(self) -> None:
        """Wait until the agent may work."""
        await self._closed.wait()
