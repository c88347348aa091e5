"""What was published and is not acknowledged: how much that may be, the wait for less of it, and the first failure."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from k2_shared.core.errors import Unavailable


class Congested(Exception):
    """Kafka takes records, but too slowly: there has been no capacity for too long."""


@dataclass(frozen=True, slots=True)
class PublisherLimits:
    """What may be unacknowledged, how long a batch gathers, and for how long there may be no capacity."""

    records: int = 20_000
    bytes: int = 64 * 1024 * 1024
    linger_s: float = 0.005
    stall_s: float = 10.0


class Backlog:
    """Records that were appended and not yet acknowledged, over all partitions; ``bytes`` counts values alone.

    For one event loop.
    """

    __slots__ = ("_failure", "_moved", "bytes", "limits", "records")

    def __init__(self, limits: PublisherLimits) -> None:
        self.limits = limits
        self.records = 0
        self.bytes = 0
        self._moved = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether Kafka did not take a record."""
        return self._failure is not None

    @property
    def has_capacity(self) -> bool:
        """Whether less is unacknowledged than the limits allow."""
        return self.records < self.limits.records and self.bytes < self.limits.bytes

    async def wait_for_capacity(self) -> None:
        """Return at once while there is capacity; else wait until there is.

        Raises:
            Congested: there was none for ``stall_s``.
            Unavailable: Kafka did not take an earlier record.
        """
        self.raise_failure()
        if self.has_capacity:
            return
        try:
            async with asyncio.timeout(self.limits.stall_s):
                while not self.has_capacity:
                    await self.progress()
        except TimeoutError:
            raise Congested(
                f"{self.records} records of {self.bytes} bytes are unacknowledged, allowed are "
                f"{self.limits.records} and {self.limits.bytes}, for {self.limits.stall_s:g} s: look at the broker"
            ) from None

    async def outlast_congestion(self) -> None:
        """Wait for capacity, however long it takes.

        Raises:
            Unavailable: Kafka did not take an earlier record.
        """
        while True:
            with suppress(Congested):
                return await self.wait_for_capacity()

    async def progress(self) -> None:
        """Wait until a batch is acknowledged.

        Raises:
            Unavailable: a record was not taken, before or meanwhile.
        """
        self.raise_failure()
        await self._moved.wait()
        self.raise_failure()

    def acknowledged(self, records: int, size: int) -> None:
        """Take so many records and bytes off, and wake everybody who waits."""
        self.records -= records
        self.bytes -= size
        self._wake()

    def fail(self, failure: BaseException) -> None:
        """Note that Kafka did not take a record; the first failure stands."""
        self._failure = self._failure or failure
        self._wake()

    def raise_failure(self) -> None:
        """Return unless a record was not taken.

        Raises:
            Unavailable: one was not.
        """
        if self._failure is not None:
            raise Unavailable(f"Kafka did not take a record: {self._failure!r}; what followed it was not published")

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
