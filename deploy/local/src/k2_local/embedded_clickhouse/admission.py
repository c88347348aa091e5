"""How many queries run at once, and how many may wait for a place; the rest is refused at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.limits import Limits


class Admission:
    """The places of one server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.concurrent)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place for the length of the block; waits for one.

        Raises:
            QueryError: too many wait already, or none became free in time.
        """
        await self._acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _acquire(self) -> None:
        if self._places.locked() and self._waiting >= self._limits.waiting:
            raise self._refusal(f"and {self._waiting} wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.waiting_s):
                await self._places.acquire()
        except TimeoutError:
            raise self._refusal(f"and none ended within {self._limits.waiting_s:g} s") from None
        finally:
            self._waiting -= 1

    def _refusal(self, why: str) -> QueryError:
        running = f"Too many simultaneous queries: {self._limits.concurrent} run {why}"
        return QueryError.of(Code.TOO_MANY_SIMULTANEOUS_QUERIES, running)
