"""One of a feed's redundant sockets, kept up: reconnect, failover, and rotation that makes before it breaks."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from k2_shared.core.backoff import Backoff
from k2_shared.core.errors import Unavailable
from k2_shared.core.tasks import cancel_and_wait
from k2_shared.feed.coverage.ledger import Cause, EventKind
from k2_shared.feed.publish.backlog import Congested
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.transport.transport import Disconnected
from k2_shared.feed.venue.settings import FeedSettings

LOST = (Disconnected, Congested, OSError, TimeoutError)
_LOOK_S = 0.1
_QUIET_AFTER_S = 3.0


class Lines(Protocol):
    """What a slot needs of its feed."""

    async def connect(self, url: str) -> Connection:
        """A new connection, subscribed to every symbol, when the venue's budget allows one."""

    def left(self, connection: Connection, cause: Cause) -> None:
        """It is gone; ids that are missing next are owed to that."""

    async def quiet(self, symbols: set[str]) -> set[str]:
        """Those of the symbols of which the venue has nothing newer."""

    async def recovered(self) -> None:
        """Wait until Kafka takes records again."""

    @property
    def alive(self) -> bool:
        """Whether some connection delivers."""

    def tell(self, kind: EventKind, detail: str) -> None:
        """Make an event known."""

    def lost(self, reason: Exception) -> None:
        """Count a connection's end."""

    def rotated(self, outcome: str) -> None:
        """Count a rotation."""


@dataclass(frozen=True)
class _Line:
    """A connection and the task that runs it."""

    connection: Connection
    task: asyncio.Task[None]


@dataclass
class Slot:
    """Keeps one socket up until it is cancelled."""

    lines: Lines
    settings: FeedSettings
    endpoints: Endpoints
    rotate_after_s: float
    clock: Callable[[], float] = time.monotonic
    backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self.backoff = Backoff(self.settings.feed_backoff_base_s, self.settings.feed_backoff_cap_s)

    async def run(self) -> None:
        """Hold a connection for ever.

        Raises:
            Unavailable: no connection of any slot delivers, and this one's attempts are used up.
        """
        while True:
            try:
                await self._hold(await self._open())
            except LOST as error:
                await self._failed(error)

    async def _open(self) -> _Line:
        connection = await self.lines.connect(self.endpoints.current)
        return _Line(connection, asyncio.create_task(connection.run()))

    async def _failed(self, error: Exception) -> None:
        self.lines.lost(error)
        if isinstance(error, Congested):
            self.lines.tell(EventKind.CONGESTED, str(error))
            await self.lines.recovered()
            return
        before = self.endpoints.current
        if self.endpoints.failed():
            self.lines.tell(EventKind.FAILOVER, f"from {before} to {self.endpoints.current}: {error}")
        delay_s = self.backoff.next_delay()
        if self.backoff.failures >= self.settings.feed_connect_attempts and not self.lines.alive:
            raise Unavailable(f"{before} failed {self.backoff.failures} times in a row, the last with {error!r}")
        await asyncio.sleep(delay_s)

    async def _hold(self, line: _Line) -> None:
        """Hold a connection, and those that take its place, until one ends by itself; whatever happens, all end."""
        held = [line]
        try:
            while True:
                await self._until_due(held[-1])
                following = await self._successor(held[-1])
                if following:
                    held.append(following)
                    await self._retire(held[0])
                    del held[0]
        finally:
            await cancel_and_wait(*(each.task for each in held))
            for each in held:
                self.lines.left(each.connection, Cause.RECONNECT)

    async def _until_due(self, line: _Line) -> None:
        """Wait until a connection is to be replaced; raises what it ended with."""
        while not (line.connection.leaving.is_set() or self._age_s(line) >= self.rotate_after_s):
            await self._look(line)

    def _age_s(self, line: _Line) -> float:
        return self.clock() - line.connection.began

    async def _look(self, line: _Line) -> None:
        await asyncio.wait([line.task], timeout=_LOOK_S)
        if line.task.done():
            line.task.result()
        if line.connection.last and self.backoff.failures:
            self.backoff.succeeded()
            self.endpoints.succeeded()

    async def _successor(self, line: _Line) -> _Line | None:
        """A connection that has delivered every symbol; None where it could not be had, and the old one stays."""
        following: _Line | None = None
        try:
            following = await self._open()
            outcome = await self._overlap(line, following)
        except BaseException as error:
            if following:
                await cancel_and_wait(following.task)
                self.lines.left(following.connection, Cause.ROTATION)
            if not isinstance(error, LOST):
                raise
            self.lines.rotated("failed")
            self.lines.lost(error)
            await self._pause(line)
            return None
        self.lines.rotated(outcome)
        self.lines.tell(EventKind.ROTATED, f"{outcome} after {self._age_s(line):.1f} s")
        return following

    async def _pause(self, line: _Line) -> None:
        """Before the next attempt to replace a connection that still lives."""
        until = self.clock() + self.backoff.next_delay()
        while self.clock() < until:
            await self._look(line)

    async def _overlap(self, line: _Line, following: _Line) -> str:
        """Run both until the new one has delivered every symbol that the venue has trades of."""
        began, quiet = self.clock(), set[str]()
        while True:
            missing = following.connection.wanted - following.connection.last.keys() - quiet
            if not missing and following.connection.confirmed >= following.connection.wanted:
                return "delivered"
            waited_s = self.clock() - began
            if waited_s > self.settings.feed_rotate_deadline_s:
                return "deadline"
            if line.task.done():
                return "forced"
            await self._look(following)
            if waited_s > _QUIET_AFTER_S and following.connection.confirmed >= missing:
                with suppress(TimeoutError):  # REST may have told us to wait
                    async with asyncio.timeout(self.settings.feed_rotate_deadline_s - waited_s):
                        quiet |= await self.lines.quiet(missing)

    async def _retire(self, line: _Line) -> None:
        """Close a connection; what it brought until then is taken."""
        with suppress(*LOST):  # it ends all the same, and its successor stays
            await line.connection.close()
        await asyncio.wait([line.task], timeout=self.settings.feed_ping_timeout_s)
        await cancel_and_wait(line.task)
        self.lines.left(line.connection, Cause.ROTATION)
