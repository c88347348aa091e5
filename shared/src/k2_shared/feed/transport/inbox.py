"""What every transport shares: its limits, the error that ends a connection, and the bounded inbox of frames."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


class Disconnected(Exception):
    """A connection ended, or could not be made; its text is the reason."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds of one connection; a message beyond ``max_frame_bytes`` ends it."""

    max_frame_bytes: int = 900_000
    queue_frames: int = 20_000
    queue_bytes: int = 16 * 1024 * 1024
    open_timeout_s: float = 10.0
    close_timeout_s: float = 2.0


class Inbox:
    """Frames in order of arrival, for one reader. When it is full, the socket is not read until it is emptied.

    It may be overrun by what one read of the socket brings, and while it drains. ``pauses`` counts how often reading
    stopped.
    """

    def __init__(self, limits: SocketLimits, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        self._limits = limits
        self._pause, self._resume = pause, resume
        self._frames: list[bytes] = []
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._draining = False
        self.paused = False
        self.pauses = 0
        self.ended: str | None = None

    def __len__(self) -> int:
        """How many frames have arrived and were not taken."""
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Add a frame; one that arrives after the connection has ended is dropped."""
        if self.ended is not None:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._waiter:
            self._wake()
        if self._bytes >= self._limits.queue_bytes or len(self._frames) >= self._limits.queue_frames:
            self._stop_reading()

    def end(self, reason: str) -> None:
        """Note that the connection has ended and why; of several reasons the first counts."""
        if self.ended is None:
            self.ended = reason
        self._wake()

    async def take(self) -> list[bytes]:
        """Take all frames that have arrived; waits for at least one.

        Raises:
            Disconnected: the connection ended, and what it brought was taken.
        """
        while not self._frames:
            self.check()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        frames, self._frames, self._bytes = self._frames, [], 0
        self._read_on()
        return frames

    def drain(self) -> None:
        """Read on however full the inbox is: a Close was sent, and little will follow."""
        self._draining = True
        self._read_on()

    def check(self) -> None:
        """Return unless the connection has ended.

        Raises:
            Disconnected: it has.
        """
        if self.ended is not None:
            raise Disconnected(self.ended)

    async def pong(self, answer: "asyncio.Future[object]", timeout_s: float) -> None:
        """Wait for the answer to a ping. While we do not read, no answer can be seen, and the peer is not to blame.

        Raises:
            Disconnected: there was none in time.
        """
        pauses = self.pauses
        await asyncio.wait([answer], timeout=timeout_s)
        self.check()
        if not answer.done() and not self.paused and self.pauses == pauses:
            raise Disconnected(f"no pong within {timeout_s:g} s")

    def _read_on(self) -> None:
        if self.paused:
            self.paused = False
            self._resume()

    def _stop_reading(self) -> None:
        if not self.paused and not self._draining:
            self.paused = True
            self.pauses += 1
            self._pause()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None
