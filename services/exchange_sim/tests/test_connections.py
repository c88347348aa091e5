"""Connections: signs of life, formats, peers that are slow or gone."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange_sim import connection, server

Simulate = Callable[..., Awaitable[Any]]
Cut = Callable[[Mapping[str, int]], Path]
SIZES = {"binance_btcusdt": 500, "binance_ethusdt": 300, "kraken_xbtusdt": 200}
BOTH = "/stream?streams=btcusdt@trade/ethusdt@trade"
FAST: dict[str, Any] = {"speed": 1e6}
DEADLINE_S = 90


async def test_silence_is_filled_with_heartbeats(simulate: Simulate, cut: Cut) -> None:
    """A Kraken socket that is told nothing else gets heartbeats, after the status message."""
    sim = await simulate(recordings=cut(SIZES))
    quiet = await sim.socket("/v2")
    status, beat, again = [json.loads(text) for text in await sim.texts(quiet, 3)]
    assert (status["channel"], beat, again) == ("status", {"channel": "heartbeat"}, {"channel": "heartbeat"})


async def test_binance_pings_and_drops_who_does_not_answer(
    simulate: Simulate, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sends protocol pings; who answers stays, who never does is disconnected."""
    monkeypatch.setattr(server, "PING_S", 0.01)
    sim = await simulate(recordings=cut(SIZES))
    async with sim.session.ws_connect(f"{sim.url}/ws/btcusdt@trade", autoping=False) as socket:
        ping = await socket.receive(timeout=DEADLINE_S)
        assert (ping.type, ping.data.isdigit()) == (aiohttp.WSMsgType.PING, True)
        await socket.pong(ping.data)
        assert (await socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.PING
        monkeypatch.setattr(server, "STALL_S", 0.0)
        async with asyncio.timeout(DEADLINE_S):
            while (await socket.receive()).type is aiohttp.WSMsgType.PING:
                pass
    assert socket.closed
    await sim.status(lambda status: status["venues"]["BINANCE"]["subscribed"] == [])


async def test_raw_streams_and_microseconds(simulate: Simulate, cut: Cut) -> None:
    """/ws/<stream> carries bare payloads, and timeUnit=MICROSECOND three more digits of time."""
    sim = await simulate(recordings=cut({"binance_btcusdt": 20}), expect="binance", **FAST)
    raw, micros = await sim.socket("/ws"), await sim.socket("/ws/none@trade?timeUnit=MICROSECOND")
    for each in (micros, raw):
        await each.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        assert await each.receive_json(timeout=DEADLINE_S) == {"result": None, "id": 1}
    await sim.finished()
    late = [json.loads(text) for text in await sim.texts(micros, 20)]
    assert all(frame["e"] == "trade" and len(str(frame["T"])) == 16 for frame in late)


async def test_pings_of_clients_are_answered(simulate: Simulate, cut: Cut) -> None:
    """A protocol ping gets its pong, on either venue."""
    sim = await simulate(recordings=cut(SIZES))
    for path in ("/v2", "/ws"):
        async with sim.session.ws_connect(sim.url + path, autoping=False) as pinging:
            await pinging.ping(b"hello")
            async with asyncio.timeout(DEADLINE_S):
                while (found := await pinging.receive()).type is not aiohttp.WSMsgType.PONG:
                    pass
            assert found.data == b"hello"


async def test_errors_have_the_venue_s_status(simulate: Simulate, cut: Cut) -> None:
    """Kraken's errors are HTTP 200, Binance's are 400; posts reach Kraken too; /healthz answers."""
    sim = await simulate(recordings=cut(SIZES))
    assert await sim.get("/0/public/Trades", pair="NOPE") == {"error": ["EQuery:Unknown asset pair"]}
    async with sim.session.post(f"{sim.url}/0/public/AssetPairs", data={"pair": "XBTUSDT"}) as answer:
        assert list((await answer.json())["result"]) == ["XBTUSDT"]
    async with sim.session.get(f"{sim.url}/api/v3/trades", params={"symbol": "NOPE"}) as answer:
        assert (answer.status, await answer.json()) == (400, {"code": -1121, "msg": "Invalid symbol."})
    async with sim.session.get(f"{sim.url}/healthz") as answer:
        assert answer.status == 200


async def slow_reader(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A Binance socket by hand, with so small a buffer that what is not read stays at the server."""
    host, port = url.removeprefix("http://").split(":")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=plain, limit=4_096)
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(f"GET {BOTH} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n{key}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_slow_reader_holds_playback_back_and_loses_nothing(simulate: Simulate) -> None:
    """A reader that stands still stops its venue, not the other; when it reads on, everything comes."""
    sim = await simulate(duplicates=1.0, invalid=1.0, **FAST)
    reader, writer = await slow_reader(sim.url)
    await sim.kraken("BTC/USDT")
    held = await sim.status(lambda status: status["venues"]["KRAKEN"]["finished"])
    assert not held["finished"]
    done, read = asyncio.create_task(sim.finished()), 0
    while not done.done():
        got = asyncio.create_task(reader.read(65_536))
        await asyncio.wait({got, done}, return_when=asyncio.FIRST_COMPLETED)
        read += got.result().count(b'{"stream"') if got.done() else 0
        got.cancel()
    assert done.result()["venues"]["BINANCE"]["frames_played"] == 3 * (9_757 + 6_106)
    writer.close()


async def test_stalled_reader_is_dropped(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that takes nothing until the deadline counts as away: its venue goes on with others."""
    sim = await simulate(duplicates=1.0, invalid=1.0, expect="binance", **FAST)
    with monkeypatch.context() as impatient:
        impatient.setattr(connection, "STALL_S", 0.2)
        _, writer = await slow_reader(sim.url)
        await sim.status(lambda status: status["started"] and status["venues"]["BINANCE"]["waiting_for"])
    async with sim.session.ws_connect(sim.url + BOTH) as other:
        reading = asyncio.create_task(exhaust(other))
        await sim.finished()
        reading.cancel()
    writer.close()


async def test_server_ends_although_a_reader_has_stalled(simulate: Simulate) -> None:
    """At shutdown a peer that takes nothing is cut off, the others are told."""
    sim = await simulate(duplicates=1.0, invalid=1.0, expect="binance", **FAST)
    _, writer = await slow_reader(sim.url)
    polite = await sim.kraken("BTC/USDT")
    await sim.status(lambda status: status["venues"]["BINANCE"]["frames_played"] > 1_000)
    await sim.stop()
    async with asyncio.timeout(DEADLINE_S):
        while (message := await polite.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY
    writer.close()


async def exhaust(from_socket: aiohttp.ClientWebSocketResponse) -> None:
    """Read for ever."""
    while True:
        await from_socket.receive_str()
