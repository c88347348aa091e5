"""The Binance feed as a process, against a tiny Binance and the real broker."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_support.plugin import Agents
from k2_support.venue import captured, serving
from k2_support.waiting import eventually

FRAME = (contracts.ROOT / "examples/valid/binance_frame.json").read_bytes()
UNFIT = FRAME.replace(b'"q":"0.02000000"', b'"q":"46000000000.00000000"')
HALTED = {"symbol": "OLDUSDT", "baseAsset": "OLD", "quoteAsset": "USDT", "status": "CANCEL_ONLY", "filters": []}
ODD = {"symbol": "NEWUSDT", "baseAsset": "NEW", "quoteAsset": "USDT", "status": "PRE_TRADING", "filters": None}
PAIRS = {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}, HALTED, ODD]}


async def pairs(request: web.Request) -> web.Response:
    """One pair, one that is halted, and one that is odd."""
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
@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("BTC/XYZ", "the venue does not trade it; it has BTC/USDT"),
        ("OLD/USDT", "the venue does not trade it now: its status is 'CANCEL_ONLY'"),
        ("NEW/USDT", "cannot be read where it speaks of it: Expected `array`, got `null` - at `$.filters`"),
    ],
)
async def test_a_symbol_that_cannot_be_captured_ends_it_with_2(
    venue: str, agents: Agents, symbol: str, why: str
) -> None:
    """The line names the variable, the symbol and why, or what the venue has instead."""
    feed = agents.start("feed_binance", BINANCE_REST_URL=f"http://{venue}", BINANCE_SYMBOLS=f"BTC/USDT,{symbol}")
    await eventually(lambda: feed.exit_code is not None, "the end", 60)
    assert feed.exit_code == 2
    assert feed.last_words(1).endswith(f"{why}; check BINANCE_SYMBOLS")
    assert f"cannot be asked for {symbol}: " in feed.last_words(1)
