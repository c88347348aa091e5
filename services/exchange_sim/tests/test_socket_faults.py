"""Faults of connections, as clients see them."""

import asyncio
import json
import math
from contextlib import suppress
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from exchange_sim.fuzz import FORMS, fuzzed
from k2_support.waiting import eventually

BTC_STREAM = "btcusdt@trade"
STREAM = f"/stream?streams={BTC_STREAM}"
DEADLINE_S = 90


async def ended(socket: Any) -> Any:
    """Read until the socket ends; the message that says so."""
    async with asyncio.timeout(DEADLINE_S):
        while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG):
            pass
    return message


async def test_connections_are_aborted(running: Any) -> None:
    """drop_connections: TCP ends without a Close frame, on as many sockets as asked for."""
    sockets = [await running.kraken("BTC/USDT") for _ in range(3)]
    done = await running.fault("drop_connections", "KRAKEN", count=2)
    assert len(done["connections"]) == await running.struck("drop_connections") == 2
    await running.fault("drop_connections", "KRAKEN", symbol="BTC/USDT")
    for socket in sockets:
        assert (await ended(socket)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    assert await running.struck("drop_connections", 3) == 3


async def test_upgrades_are_refused_for_a_while(running: Any) -> None:
    """refuse_connections: 503 on the upgrade, of this venue alone."""
    await running.fault("refuse_connections", "BINANCE", seconds=60)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await running.socket(STREAM)
    assert refused.value.status == 503
    await running.kraken("BTC/USDT")
    assert await running.struck("refuse_connections") == 1
    await running.fault("refuse_connections", "BINANCE", seconds=0.001)

    async def taken() -> bool:
        with suppress(aiohttp.WSServerHandshakeError):
            await running.texts(await running.socket(STREAM), 1)
            return True
        return False

    await eventually(taken, "a connection that is taken")


async def nothing_comes(socket: Any) -> bool:
    """Whether nothing comes although something is asked."""
    await socket.ping()
    await socket.send_json({"method": "ping"})
    try:
        async with asyncio.timeout(0.5):
            await socket.receive()
    except TimeoutError:
        return True
    return False


async def drained(socket: Any) -> None:
    """Read what was sent before a fault, until there is a pause that trades do not make."""
    while True:
        try:
            async with asyncio.timeout(0.3):
                await socket.receive()
        except TimeoutError:
            return


@pytest.mark.parametrize("venue", ["KRAKEN", "BINANCE"])
async def test_half_open_socket_says_nothing(running: Any, venue: str) -> None:
    """half_open: TCP stays, but no trade, no heartbeat and no pong comes."""
    path = {"KRAKEN": "/v2", "BINANCE": STREAM}[venue]
    async with running.session.ws_connect(running.url + path, autoping=False) as socket:
        await socket.receive()
        done = await running.fault("half_open", venue, seconds=60)
        assert len(done["connections"]) == await running.struck("half_open") == 1
        await drained(socket)
        assert await nothing_comes(socket)
        assert not socket.closed


async def test_half_open_socket_ends_when_its_time_is_over(running: Any) -> None:
    """TCP goes too, and the venue counts the subscriber no longer."""
    socket = await running.kraken("BTC/USDT")
    await running.fault("half_open", "KRAKEN", seconds=0.1)
    await ended(socket)
    await running.status(lambda status: not status["venues"]["KRAKEN"]["subscribed"])


async def test_close_frame_without_the_end_of_tcp(running: Any) -> None:
    """close_without_tcp: a Close frame comes, its answer changes nothing, TCP stays open."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = f"{upgrade}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(f"GET /ws HTTP/1.1\r\nHost: {host}\r\n{key}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await running.fault("close_without_tcp", "BINANCE", seconds=60)
    assert await reader.readexactly(4) == b"\x88\x02\x03\xe9"
    writer.write(b"\x88\x82\x00\x00\x00\x00\x03\xe9")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await reader.read(1)
    assert await running.struck("close_without_tcp") == 1
    writer.close()


async def test_silent_socket_has_heartbeats_and_pongs_but_no_trades(running: Any) -> None:
    """silent: signs of life go on, trades do not come though the venue assigns their ids."""
    socket = await running.kraken("BTC/USDT")
    await running.fault("silent", "KRAKEN", symbol="BTC/USDT", seconds=60)
    await running.struck("silent")
    before = (await running.get("/sim/assigned"))["KRAKEN"]["BTC/USDT"]["last_id"]
    await socket.send_json({"method": "ping", "req_id": 3})
    seen: list[Any] = []
    async with asyncio.timeout(DEADLINE_S):
        while not any(each.get("channel") == "heartbeat" for each in seen):
            seen.append(await socket.receive_json())
    assert any(each.get("method") == "pong" for each in seen)
    pong = next(index for index, each in enumerate(seen) if each.get("method") == "pong")
    assert all(each.get("channel") != "trade" for each in seen[pong:])
    assert (await running.get("/sim/assigned"))["KRAKEN"]["BTC/USDT"]["last_id"] > before


async def test_slow_frames_come_late_and_in_order(running: Any) -> None:
    """slow_frames: each frame waits, none is lost."""
    socket = await running.socket(STREAM)
    await running.fault("slow_frames", "BINANCE", seconds=1, value=0.05)
    ids = [json.loads(text)["data"]["t"] for text in await running.texts(socket, 200)]
    assert ids == list(range(ids[0], ids[0] + 200))
    assert await running.struck("slow_frames") > 1


async def test_message_in_many_fragments_is_whole(running: Any) -> None:
    """split_frames: a message in many frames is the same message; raw bytes show the fragments."""
    socket = await running.socket(STREAM)
    await running.fault("split_frames", "BINANCE", count=40, value=25)
    ids = [json.loads(text)["data"]["t"] for text in await running.texts(socket, 120)]
    assert ids == list(range(ids[0], ids[0] + 120))
    assert await running.struck("split_frames", 40) == 40


@pytest.mark.parametrize(("path", "wrapped"), [(STREAM, True), ("/ws/btcusdt@trade", False)])
async def test_shutdown_is_announced_and_comes(running: Any, path: str, wrapped: bool) -> None:
    """server_shutdown: the event in the connection's own envelope, trades until the abort."""
    socket = await running.socket(path)
    await running.fault("server_shutdown", "BINANCE", seconds=0.5)
    seen: list[Any] = []
    async with asyncio.timeout(DEADLINE_S):
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            seen.append(json.loads(message.data))
    (event,) = (each for each in seen if (each.get("data", each))["e"] == "serverShutdown")
    assert ("stream" in event, set(event.get("data", event))) == (wrapped, {"e", "E"})
    assert seen.index(event) < len(seen) - 1
    assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    assert await running.struck("server_shutdown") == 1


async def test_nothing_trades_during_maintenance(running: Any) -> None:
    """maintenance: the status is told, to newcomers too; no id is assigned until it is online again."""
    socket = await running.kraken("BTC/USDT")
    await running.fault("maintenance", "KRAKEN", seconds=1)
    assert (await running.get("/0/public/SystemStatus"))["result"]["status"] == "maintenance"
    newcomer = await running.socket("/v2")
    assert (await newcomer.receive_json())["data"][0]["system"] == "maintenance"
    said: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while "online" not in said or said[-1] == "heartbeat":
            message = await socket.receive_json()
            said.append(message["data"][0].get("system", "trade") if "data" in message else "heartbeat")
    since = said[said.index("maintenance") :]
    assert [what for what in since if what != "heartbeat"] in (
        ["maintenance", "online"],
        ["maintenance", "online", "trade"],
    )
    ids = [trade["trade_id"] for trade in await running.updates(socket, 50)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert await running.struck("maintenance") == 1


def whole_trade(text: str) -> int | None:
    """The id of a frame that is a trade in every part: garbage may have kept the id of one that is on its way."""
    try:
        frame = json.loads(text)
        said, numbers = frame["data"], (float(frame["data"]["p"]), float(frame["data"]["q"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_whole = (frame["stream"], said["e"], said["s"]) == (BTC_STREAM, "trade", "BTCUSDT")
    are_numbers = all(map(math.isfinite, numbers)) and isinstance(said["T"], int) and isinstance(said["t"], int)
    return said["t"] if is_whole and are_numbers else None


@pytest.mark.parametrize("form", list(FORMS))
async def test_garbage_comes_between_trades(running: Any, form: str) -> None:
    """fuzzed_frames: garbage of each form arrives, and every trade all the same."""
    socket = await running.socket(STREAM)
    await running.texts(socket, 1)
    await running.fault("fuzzed_frames", "BINANCE", count=20, value=form)
    texts = await running.texts(socket, 120)
    assert await running.struck("fuzzed_frames") == 20
    ids = [trade_id for text in texts if (trade_id := whole_trade(text)) is not None]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) >= 100


def test_garbage_is_by_seed() -> None:
    """The same generator makes the same garbage."""
    frame = '{"stream":"x","data":{"e":"trade","t":1,"p":"2"}}'
    assert fuzzed(frame, Random(3)) == fuzzed(frame, Random(3))
