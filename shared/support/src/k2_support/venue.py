"""A minimal HTTP server as a venue, and what a feed wrote of it, for the tests of the feeds' processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, message_id
from k2_shared.kafka.topics import BRONZE, DLQ, RAW, Names
from k2_support.children import Child
from k2_support.topics import read, values
from k2_support.waiting import eventually

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
    """Answer GET on these paths; yields host and port."""
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Captured:
    """What a feed wrote: ids in bronze, frames in raw, and its one dead letter."""

    ids: list[str]
    frames: list[bytes | None]
    letter: bytes | None
    said: dict[str, bytes | None]


async def captured(feed: Child, settings: RunSettings, names: Names, exchange: Exchange) -> Captured:
    """Wait until a feed has refused a frame and is ready, and stop it in order."""

    async def refused() -> bool:
        feed.check()
        return bool(await read(settings, names, DLQ))

    await eventually(refused, "the dead letter", 60)
    await eventually(lambda: not feed.missing(), "readiness")
    assert await asyncio.to_thread(feed.stop) == 0
    bronze, raw = (topic.format(exchange=exchange.lower()) for topic in (BRONZE, RAW))
    ids = [message_id(record.value) for record in await read(settings, names, bronze)]
    (letter,) = await read(settings, names, DLQ)
    return Captured(ids, values(await read(settings, names, raw)), letter.value, dict(letter.headers))
