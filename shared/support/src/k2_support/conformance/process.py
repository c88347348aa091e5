"""What holds for the feed of every venue as a process, against a tiny venue and the real broker."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.kafka.topics import Names
from k2_support.conformance.tables import TableTests
from k2_support.plugin import Agents
from k2_support.venue import captured, serving
from k2_support.waiting import eventually


class FeedConformance(TableTests):
    """The tests of a feed's process; what is declared here, its test class says."""

    tables = ("uncapturable",)

    exchange: Exchange
    socket_path: str
    pairs_path: str
    pairs: Mapping[str, Any]
    """The list of pairs: BTC/USDT, and what ``uncapturable`` asks for."""
    frame: bytes
    """A frame of good trades of BTC/USDT."""
    ids: Sequence[str]
    """The trades that bronze holds afterwards."""
    unfit: bytes
    """A frame with a trade that V3 cannot hold."""
    uncapturable: Sequence[tuple[str, str]]
    """Symbols that cannot be captured, and the end of what is said of them."""

    def replies(self, asked: Mapping[str, Any]) -> Sequence[str]:
        """What the venue answers to one message of a client; frames follow what confirms a subscription."""
        raise NotImplementedError

    @property
    def module(self) -> str:
        """The feed's module, and its name in a dead letter."""
        return f"feed_{self.exchange.lower()}"

    def environment(self, venue: str, symbols: str) -> dict[str, str]:
        """The feed's settings at a venue's host and port."""
        own = {"WS_URL": f"ws://{venue}{self.socket_path}", "REST_URL": f"http://{venue}", "SYMBOLS": symbols}
        return {"FEED_SOCKETS": "1"} | {f"{self.exchange}_{name}": said for name, said in own.items()}

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[str]:
        """Serve pairs and a socket that answers as ``replies`` says; yields host and port."""

        async def pairs(request: web.Request) -> web.Response:
            return web.json_response(self.pairs)

        async def converse(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                for text in self.replies(message.json()):
                    await socket.send_str(text)
            return socket

        async with serving({self.pairs_path: pairs, self.socket_path: converse}) as address:
            yield address

    @pytest.mark.usefixtures("topics")
    async def test_it_captures_until_it_is_told_to_stop(
        self, agents: Agents, run_settings: RunSettings, names: Names
    ) -> None:
        """Frames go to raw byte for byte, their trades to bronze, the unfit one to the DLQ; SIGTERM ends it with 0."""
        async with self.venue() as venue:
            feed = agents.start(self.module, **self.environment(venue, "BTC/USDT"))
            found = await captured(feed, run_settings, names, self.exchange)
        assert found.ids == self.ids
        assert found.frames == [self.frame, self.unfit]
        said = [found.said[f"k2-dlq-{name}"] for name in ("reason", "stage", "service")]
        assert (found.letter, said) == (self.unfit, [b"decimal_overflow", b"feed", self.module.encode()])

    @pytest.mark.usefixtures("topics")
    async def test_a_symbol_that_cannot_be_captured_ends_it_with_2(
        self, agents: Agents, uncapturable: tuple[str, str]
    ) -> None:
        """The line names the variable, the symbol and why, or what the venue has instead."""
        symbol, why = uncapturable
        async with self.venue() as venue:
            feed = agents.start(self.module, **self.environment(venue, f"BTC/USDT,{symbol}"))
            await eventually(lambda: feed.exit_code is not None, "the end", 60)
        said = feed.log_tail(1)
        assert feed.exit_code == 2
        assert said.endswith(f"{why}; check {self.exchange}_SYMBOLS")
        assert f"cannot be asked for {symbol}: " in said
