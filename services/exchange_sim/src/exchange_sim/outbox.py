"""A bounded queue of frames for one socket, so that a slow peer holds up nobody but itself."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from exchange_sim.subscriptions import Frame

FRAMES = 10_000  # at most so many wait for one socket


class Outbox:
    """Takes frames at once, sends them one after another; ``overflow`` is called when it is full."""

    def __init__(self, send: Callable[[Frame], Awaitable[bool]], overflow: Callable[[], None]) -> None:
        self._send = send
        self._overflow = overflow
        self._waiting: deque[Frame] = deque()
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False

    def offer(self, frame: Frame) -> bool:
        """Queue a frame; False when the socket is gone, or the queue was full and the peer is given up."""
        if self._ended:
            return False
        if len(self._waiting) >= FRAMES:
            self._waiting.clear()
            self._overflow()
            return False
        self._waiting.append(frame)
        self._idle.clear()
        self._some.set()
        return True

    async def emptied(self) -> None:
        """Wait until what was queued has been sent, or the socket is gone."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until the socket is gone."""
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                while self._waiting:
                    if not await self._send(self._waiting.popleft()):
                        return
                self._idle.set()
        finally:
            self._ended = True
            self._idle.set()
