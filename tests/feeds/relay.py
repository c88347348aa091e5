"""A relay of WebSockets between a feed and a venue, for what only something between the two can do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL


@dataclass
class Relay:
    """Passes text on in both directions; frames with ``swallows`` in them never reach the feed."""

    target: URL
    url: str = ""
    swallows: str = ""
    swallowed: int = 0
    refuses: bool = False
    _sockets: set[web.WebSocketResponse] = field(default_factory=set)

    async def refuse(self) -> None:
        """Break every connection, and take no new one."""
        self.refuses = True
        for socket in list(self._sockets):
            await socket.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=503)
        near = web.WebSocketResponse(autoping=True)
        await near.prepare(request)
        self._sockets.add(near)
        async with aiohttp.ClientSession() as session, session.ws_connect(self.target) as far:
            ways = {asyncio.create_task(self._to_feed(far, near)), asyncio.create_task(self._to_venue(near, far))}
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        self._sockets.discard(near)
        with suppress(ConnectionError):
            await near.close()
        return near

    async def _to_feed(self, far: aiohttp.ClientWebSocketResponse, near: web.WebSocketResponse) -> None:
        async for message in far:
            if self.swallows and self.swallows in str(message.data):
                self.swallowed += 1
            elif message.type is aiohttp.WSMsgType.TEXT:
                await near.send_str(message.data)

    async def _to_venue(self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        async for message in near:
            if message.type is aiohttp.WSMsgType.TEXT:
                await far.send_str(message.data)


@asynccontextmanager
async def relaying(ws_url: str) -> AsyncIterator[Relay]:
    """A relay to a venue's socket, for the length of a block."""
    relay, app = Relay(URL(ws_url)), web.Application()
    app.router.add_get(relay.target.path, relay.serve)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        relay.url = str(relay.target.with_port(runner.addresses[0][1]))
        yield relay
    finally:
        await runner.cleanup()
