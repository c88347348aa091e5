"""Waiting for a condition in asynchronous tests."""

import asyncio
from collections.abc import Awaitable, Callable

Condition = Callable[[], object | Awaitable[object]]

_POLL_S = 0.02


async def eventually(condition: Condition, what: str, timeout_s: float = 30.0) -> None:
    """Wait until a condition, plain or awaitable, is true.

    Raises:
        AssertionError: it did not come true in time; says what was awaited.
    """
    if not await came_true(condition, timeout_s, _POLL_S):
        raise AssertionError(f"{what} did not come within {timeout_s:.0f} s")


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
