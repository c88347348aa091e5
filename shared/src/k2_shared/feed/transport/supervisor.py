"""Keeps one of a feed's redundant connections up: reconnect, failover, and rotation that makes before it breaks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from k2_shared.core.backoff import Backoff
from k2_shared.core.errors import Unavailable
from k2_shared.core.tasks import cancel_and_wait
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.publish.backlog import Congested
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.transport.reports import ConnectionReports
from k2_shared.feed.transport.transport import Disconnected
from k2_shared.feed.venue.settings import FeedSettings

LOST = (Disconnected, Congested, OSError, TimeoutError)
_LOOK_S = 0.1
_QUIET_AFTER_S = 3.0


@dataclass(frozen=True)
class _Held:
    """A connection and the task that runs it."""

    connection: Connection
    task: asyncio.Task[None]


@dataclass
class ConnectionSupervisor:
    """Keeps one connection up until it is cancelled; a feed has several, all with every symbol.

    ``quiet`` says of which symbols the venue has nothing newer than what was captured, by REST;
    ``outlast_congestion`` waits, however long, until Kafka takes records again.
    """

    connector: Connector
    reports: ConnectionReports
    settings: FeedSettings
    endpoints: Endpoints
    rotate_after_s: float
    quiet: Callable[[set[str]], Awaitable[set[str]]]
    outlast_congestion: Callable[[], Awaitable[None]]
    clock: Callable[[], float] = time.monotonic
    backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self.backoff = Backoff(self.settings.feed_backoff_base_s, self.settings.feed_backoff_cap_s)

    async def run(self) -> None:
        """Hold a connection for ever.

        Raises:
            Unavailable: no connection of the feed delivers, and the attempts in a row are used up.
        """
        while True:
            try:
                await self._hold(await self._open())
            except LOST as error:
                await self._failed(error)

    async def _open(self) -> _Held:
        connection = await self.connector.connect(self.endpoints.current)
        self.reports.connected(connection.url)
        return _Held(connection, asyncio.create_task(connection.run()))

    async def _failed(self, error: Exception) -> None:
        self.reports.lost(error)
        if isinstance(error, Congested):
            self.reports.congested(error)
            await self.outlast_congestion()
            return
        before = self.endpoints.current
        if self.endpoints.failed():
            self.reports.failed_over(before, self.endpoints.current, error)
        delay_s = self.backoff.next_delay()
        if self.backoff.failures >= self.settings.feed_connect_attempts and not self.connector.alive:
            raise Unavailable(f"{before} failed {self.backoff.failures} times in a row, the last with {error!r}")
        await asyncio.sleep(delay_s)

    async def _hold(self, first: _Held) -> None:
        """Hold a connection, and those that take its place, until one ends by itself; whatever happens, all end."""
        every = [first]
        try:
            while True:
                await self._until_due(every[-1])
                following = await self._successor(every[-1])
                if following:
                    every.append(following)
                    await self._retire(every[0])
                    del every[0]
        finally:
            await cancel_and_wait(*(each.task for each in every))
            for each in every:
                self.connector.left(each.connection, Cause.RECONNECT)

    async def _until_due(self, held: _Held) -> None:
        """Wait until a connection is to be replaced; raises what it ended with."""
        while not (held.connection.leaving.is_set() or self._age_s(held) >= self.rotate_after_s):
            await self._look(held)

    def _age_s(self, held: _Held) -> float:
        return self.clock() - held.connection.began

    async def _look(self, held: _Held) -> None:
        await asyncio.wait([held.task], timeout=_LOOK_S)
        if held.task.done():
            held.task.result()
        if held.connection.last and self.backoff.failures:
            self.backoff.succeeded()
            self.endpoints.succeeded()

    async def _successor(self, held: _Held) -> _Held | None:
        """Open a connection and wait until it delivers every symbol; None if it failed and the old one stays."""
        following: _Held | None = None
        try:
            following = await self._open()
            outcome = await self._overlap(held, following)
        except BaseException as error:
            if following:
                await cancel_and_wait(following.task)
                self.connector.left(following.connection, Cause.ROTATION)
            if not isinstance(error, LOST):
                raise
            self.reports.rotation_failed()
            self.reports.lost(error)
            await self._pause(held)
            return None
        self.reports.rotated(outcome, self._age_s(held))
        return following

    async def _pause(self, held: _Held) -> None:
        """Wait before the next attempt to replace a connection that is still open."""
        until = self.clock() + self.backoff.next_delay()
        while self.clock() < until:
            await self._look(held)

    async def _overlap(self, held: _Held, following: _Held) -> str:
        """Run both until the new one has delivered every symbol that the venue has trades of."""
        began, quiet = self.clock(), set[str]()
        while True:
            missing = following.connection.wanted - following.connection.last.keys() - quiet
            if not missing and following.connection.confirmed >= following.connection.wanted:
                return "delivered"
            waited_s = self.clock() - began
            if waited_s > self.settings.feed_rotate_deadline_s:
                return "deadline"
            if held.task.done():
                return "forced"
            await self._look(following)
            if waited_s > _QUIET_AFTER_S and following.connection.confirmed >= missing:
                with suppress(TimeoutError):  # REST may have told us to wait
                    async with asyncio.timeout(self.settings.feed_rotate_deadline_s - waited_s):
                        quiet |= await self.quiet(missing)

    async def _retire(self, held: _Held) -> None:
        """Close a connection that was replaced, after its last frames were taken."""
        with suppress(*LOST):  # it ends all the same, and its successor stays
            await held.connection.close()
        await asyncio.wait([held.task], timeout=self.settings.feed_ping_timeout_s)
        await cancel_and_wait(held.task)
        self.connector.left(held.connection, Cause.ROTATION)
