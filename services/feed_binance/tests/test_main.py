"""The Binance feed as a process, against a tiny Binance and the real broker."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from k2_shared import contracts
from k2_shared.settings import RunSettings
from k2_shared.testing.plugin import Agents
from k2_shared.testing.venue import captured, serving
from k2_shared.testing.waiting import eventually
from k2_shared.topics import Names

FRAME = (contracts.ROOT / "examples/valid/binance_frame.json").read_bytes()
UNFIT = FRAME.replace(b'"q":"0.02000000"', b'"q":"46000000000.00000000"')
PAIRS = {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]}


async def pairs(request: web.Request) -> web.Response:
    """One pair."""
    return web.json_response(PAIRS)


async def converse(request: web.Request) -> web.WebSocketResponse:
    """Confirm every subscription, then send the example frame and a quantity that V3 cannot hold."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        asked = json.loads(message.data)
        if asked["method"] == "SUBSCRIBE":
            subscribed = asked["params"]
            await socket.send_json({"result": None, "id": asked["id"]})
            continue
        await socket.send_json({"result": subscribed, "id": asked["id"]})
        for frame in (FRAME, UNFIT):
            await socket.send_str(frame.decode())
    return socket


@pytest.fixture
async def venue() -> AsyncIterator[str]:
    """A Binance; yields host and port."""
    async with serving({"/api/v3/exchangeInfo": pairs, "/stream": converse}) as address:
        yield address


@pytest.mark.usefixtures("topics")
async def test_it_captures_until_it_is_told_to_stop(
    venue: str, agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Frames go to raw byte for byte, their trades to bronze, the unfit one to the DLQ; SIGTERM ends it with 0."""
    feed = agents.start(
        "feed_binance",
        FEED_SOCKETS="1",
        BINANCE_WS_URL=f"ws://{venue}/stream",
        BINANCE_REST_URL=f"http://{venue}",
        BINANCE_SYMBOLS="BTC/USDT",
    )
    found = await captured(feed, run_settings, names, "BINANCE")
    assert found.ids == ["BINANCE:BTC/USDT:3735683259"]
    assert found.frames == [FRAME, UNFIT]
    said = [found.said[f"k2-dlq-{name}"] for name in ("reason", "stage", "service")]
    assert (found.letter, said) == (UNFIT, [b"decimal_overflow", b"feed", b"feed_binance"])


@pytest.mark.usefixtures("topics")
async def test_a_symbol_that_the_venue_does_not_trade_ends_it_with_2(venue: str, agents: Agents) -> None:
    """The line names the variable and what the venue has instead."""
    feed = agents.start("feed_binance", BINANCE_REST_URL=f"http://{venue}", BINANCE_SYMBOLS="BTC/XYZ")
    await eventually(lambda: feed.exit_code is not None, "the end", 60)
    assert feed.exit_code == 2
    assert feed.last_words(1).endswith("the venue does not trade it; it has BTC/USDT; check BINANCE_SYMBOLS")
