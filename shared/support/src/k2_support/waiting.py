"""Waiting for a condition in tests, and what was waited for how long."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from k2_support.children import wait_until

Condition = Callable[[], object | Awaitable[object]]

_POLL_S = 0.02


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
    """Wait for a condition, plain or awaitable; whether it came true in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _holds(condition):  # noqa: ASYNC110  # any condition, not an event of ours
                await asyncio.sleep(poll_s)
    except TimeoutError:
        return False
    return True


async def _holds(condition: Condition) -> bool:
    found = condition()
    return bool(await found) if isinstance(found, Awaitable) else bool(found)
