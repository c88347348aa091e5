"""Waiting for a condition in asynchronous tests."""

import asyncio
from collections.abc import Awaitable, Callable

_POLL_S = 0.02


async def eventually(condition: Callable[[], object | Awaitable[object]], what: str, timeout_s: float = 30.0) -> None:
    """Wait until a condition, plain or awaitable, is true.

    Raises:
        AssertionError: it did not come true in time; says what was awaited.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not await _holds(condition):  # noqa: ASYNC110  # any condition, not an event of ours
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {timeout_s:.0f} s") from None


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> bool:
    found = condition()
    return bool(await found) if isinstance(found, Awaitable) else bool(found)
