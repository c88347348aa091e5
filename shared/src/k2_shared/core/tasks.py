"""Groups of asyncio tasks that end together."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_until_first_ends(*work: Coroutine[Any, Any, object]) -> None:
    """Run coroutines until the first of them ends, then cancel the others; raises what the first one raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(*tasks)


async def cancel_and_wait(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait until all have ended; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
