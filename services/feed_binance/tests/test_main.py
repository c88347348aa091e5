"""The Binance feed as a process, against a tiny Binance and the real broker."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from k2_shared import contracts
from k2_shared.settings import RunSettings
from k2_shared.testing.plugin import Agents
from k2_shared.testing.topics import read, values
from k2_shared.testing.waiting import eventually
from k2_shared.topics import BRONZE, DLQ, RAW, Names
from k2_shared.trade import message_id

FRAME = (contracts.ROOT / "examples/valid/binance_frame.json").read_bytes()
UNFIT = FRAME.replace(b'"q":"0.02000000"', b'"q":"46000000000.00000000"')
PAIRS = {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]}


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
    """A Binance on a free port; yields host and port."""

    async def pairs(request: web.Request) -> web.Response:
        return web.json_response(PAIRS)

    app = web.Application()
    app.router.add_get("/api/v3/exchangeInfo", pairs)
    app.router.add_get("/stream", converse)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.usefixtures("topics")
async def test_it_captures_until_it_is_told_to_stop(
    venue: str, agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Frames go to raw byte for byte, their trades to bronze, the unfit one to the DLQ; SIGTERM ends it with 0."""
    bronze, raw = BRONZE.format(exchange="binance"), RAW.format(exchange="binance")
    child = agents.start(
        "feed_binance",
        FEED_SOCKETS="1",
        BINANCE_WS_URL=f"ws://{venue}/stream",
        BINANCE_REST_URL=f"http://{venue}",
        BINANCE_SYMBOLS="BTC/USDT",
    )

    async def refused() -> bool:
        child.check()
        return bool(await read(run_settings, names, DLQ))

    await eventually(refused, "the dead letter", 60)
    await eventually(lambda: not child.missing(), "readiness")
    assert await asyncio.to_thread(child.stop) == 0
    assert [message_id(record.value) for record in await read(run_settings, names, bronze)] == [
        "BINANCE:BTC/USDT:3735683259"
    ]
    assert values(await read(run_settings, names, raw)) == [FRAME, UNFIT]
    (letter,) = await read(run_settings, names, DLQ)
    said = dict(letter.headers)
    assert (letter.value, said["k2-dlq-reason"], said["k2-dlq-stage"]) == (UNFIT, b"decimal_overflow", b"feed")
    assert said["k2-dlq-service"] == b"feed_binance"


@pytest.mark.usefixtures("topics")
async def test_a_symbol_that_the_venue_does_not_trade_ends_it_with_2(venue: str, agents: Agents) -> None:
    """The line names the variable and what the venue has instead."""
    child = agents.start("feed_binance", BINANCE_REST_URL=f"http://{venue}", BINANCE_SYMBOLS="BTC/XYZ")
    await eventually(lambda: child.exit_code is not None, "the end", 60)
    assert child.exit_code == 2
    assert child.last_words(1).endswith("the venue does not trade it; it has BTC/USDT; check BINANCE_SYMBOLS")
