"""Waiting for a condition in tests, and what was waited for how long."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from k2_support.children import wait_until

Condition = Callable[[], object | Awaitable[object]]

_POLL_S = 0.02
_LONGEST_POLL_S = 1.0
_REST = 4  # a condition that asks a server rests so many times as long as it took, and leaves the server to others


@dataclass
class Wait:
    """One wait of a test; ``seconds`` is None until it has ended."""

    what: str
    seconds: float | None = None


@dataclass
class Waits:
    """What one test has waited for, in order."""

    made: list[Wait] = field(default_factory=list)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note a wait and how long it takes, however it ends."""
        began, wait = time.monotonic(), Wait(what)
        self.made.append(wait)
        try:
            yield
        finally:
            wait.seconds = time.monotonic() - began


WAITS = Waits()
"""Those of the test that runs in this process."""


async def eventually(condition: Condition, what: str, timeout_s: float = 60.0) -> None:
    """Wait until a condition, plain or awaitable, is true.

    Raises:
        AssertionError: it did not come true in time; says what was awaited.
    """
    with WAITS.noting(what):
        if not await came_true(condition, timeout_s, _POLL_S):
            raise AssertionError(f"{what} did not come within {timeout_s:.0f} s")


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """As ``eventually``, for a plain condition, in a test that is not asynchronous.

    Raises:
        Unavailable: it did not come true in time; says what was awaited.
    """
    with WAITS.noting(what):
        wait_until(condition, timeout_s, what, _POLL_S)


async def came_true(condition: Condition, timeout_s: float, poll_s: float) -> bool:
    """Wait for a condition, plain or awaitable; whether it came true in time. It is asked every ``poll_s`` at most."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                began = time.monotonic()
                if await _holds(condition):
                    return True
                rest_s = min(_LONGEST_POLL_S, _REST * (time.monotonic() - began))
                await asyncio.sleep(max(poll_s, rest_s))
    except TimeoutError:
        return False


async def _holds(condition: Condition) -> bool:
    found = condition()
    return bool(await found) if isinstance(found, Awaitable) else bool(found)
