"""A relay of a venue's REST before a feed, that fails or holds back what is asked about trades."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

_STOP_S = 1.0


@dataclass
class RestRelay:
    """Passes on what is asked; the list of pairs always comes.

    While ``fails`` is set, questions about trades get a 503. ``answers`` are how many of them may be answered: more
    wait, as at a slow venue.
    """

    target: URL
    session: aiohttp.ClientSession
    url: str = ""
    fails: bool = False
    answers: asyncio.Semaphore | None = None  # without it all are answered
    asked: list[str] = field(default_factory=list)

    def allow(self, answers: int) -> None:
        """Answer so many questions about trades more, of those that wait and of later ones."""
        self.answers = self.answers or asyncio.Semaphore(0)
        for _ in range(answers):
            self.answers.release()

    async def serve(self, request: web.Request) -> web.Response:
        if request.path.lower().endswith("trades"):
            self.asked.append(request.path_qs)
            if self.fails:
                return web.Response(status=503)
            if self.answers:
                await self.answers.acquire()
        async with self.session.get(self.target.join(request.rel_url)) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


@asynccontextmanager
async def relaying_rest(url: str) -> AsyncIterator[RestRelay]:
    """A relay to a venue's REST for the length of a block."""
    async with aiohttp.ClientSession() as session:
        relay, app = RestRelay(URL(url), session), web.Application()
        app.router.add_get("/{path:.*}", relay.serve)
        runner = web.AppRunner(app, shutdown_timeout=_STOP_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            relay.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield relay
        finally:
            await runner.cleanup()
