"""The Kraken feed as a process, against a tiny Kraken and the real broker."""

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

FRAME = (contracts.ROOT / "examples/valid/kraken_frame.json").read_bytes()
UNFIT = FRAME.replace(b'"qty":0.00027625', b'"qty":46000000000')
HALTED = {"altname": "OLDUSDT", "wsname": "OLD/USDT", "status": "cancel_only"}
ODD = {"altname": None, "wsname": "NEW/USDT"}
PAIRS = {"error": [], "result": {"XBTUSDT": {"wsname": "XBT/USDT"}, "OLDUSDT": HALTED, "NEWUSDT": ODD, "?": None}}


async def pairs(request: web.Request) -> web.Response:
    """One pair, one that is halted, one that is odd and one without a name."""
    return web.json_response(PAIRS)


async def converse(request: web.Request) -> web.WebSocketResponse:
    """Confirm every subscription, then send the example frame and a quantity that V3 cannot hold."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        asked = json.loads(message.data)
        for symbol in asked["params"]["symbol"]:
            result = {"channel": "trade", "snapshot": asked["params"]["snapshot"], "symbol": symbol}
            await socket.send_json({"method": "subscribe", "result": result, "success": True, "req_id": 1})
        for frame in (FRAME, b'{"channel":"heartbeat"}', UNFIT):
            await socket.send_str(frame.decode())
    return socket


@pytest.fixture
async def venue() -> AsyncIterator[str]:
    """A Kraken; yields host and port."""
    async with serving({"/0/public/AssetPairs": pairs, "/v2": converse}) as address:
        yield address


@pytest.mark.usefixtures("topics")
async def test_it_captures_until_it_is_told_to_stop(
    venue: str, agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Frames go to raw byte for byte, their trades to bronze, the unfit one to the DLQ; SIGTERM ends it with 0."""
    feed = agents.start(
        "feed_kraken",
        FEED_SOCKETS="1",
        KRAKEN_WS_URL=f"ws://{venue}/v2",
        KRAKEN_REST_URL=f"http://{venue}",
        KRAKEN_SYMBOLS="BTC/USDT",
    )
    found = await captured(feed, run_settings, names, "KRAKEN")
    assert found.ids == [f"KRAKEN:BTC/USDT:{number}" for number in (10218208, 10218209, 10218209)]
    assert found.frames == [FRAME, UNFIT]
    said = [found.said[f"k2-dlq-{name}"] for name in ("reason", "stage", "service")]
    assert (found.letter, said) == (UNFIT, [b"decimal_overflow", b"feed", b"feed_kraken"])


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("BTC/XYZ", "the venue does not trade it; it has BTC/USDT"),
        ("OLD/USDT", "the venue does not trade it now: its status is 'cancel_only'"),
        ("NEW/USDT", "cannot be read where it speaks of it: Expected `str`, got `null` - at `$.altname`"),
    ],
)
async def test_a_symbol_that_cannot_be_captured_ends_it_with_2(
    venue: str, agents: Agents, symbol: str, why: str
) -> None:
    """The line names the variable, the symbol and why, or what the venue has instead."""
    feed = agents.start("feed_kraken", KRAKEN_REST_URL=f"http://{venue}", KRAKEN_SYMBOLS=f"BTC/USDT,{symbol}")
    await eventually(lambda: feed.exit_code is not None, "the end", 60)
    assert feed.exit_code == 2
    assert feed.last_words(1).endswith(f"{why}; check KRAKEN_SYMBOLS")
    assert f"cannot be asked for {symbol}: " in feed.last_words(1)
