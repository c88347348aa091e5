"""The simulator's own routes, faults by script and by chance, and playback that nobody attends."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange_sim import connection, outbox
from exchange_sim.catalogue import INJECTED
from exchange_sim.inject import EFFECTS
from k2_shared.core.errors import ConfigError

Simulate = Callable[..., Awaitable[Any]]
Cut = Callable[[Mapping[str, int]], Path]
SIZES = {"binance_btcusdt": 300, "binance_ethusdt": 200, "kraken_xbtusdt": 200}
LIVE: dict[str, Any] = {"unattended": True, "as_live": True, "speed": "fit", "fit_s": 1.0}
STREAM = "/stream?streams=btcusdt@trade"
DEADLINE_S = 90
README = Path(__file__).parent.parent / "README.md"


def faults_in(log: Path) -> list[Any]:
    return [line for line in map(json.loads, log.read_text().splitlines()) if "fault" in line]


async def test_trades_happen_though_nobody_listens(running: Any) -> None:
    """Unattended, ids are assigned and REST has the trades before anybody subscribes."""
    await running.status(lambda status: status["venues"]["KRAKEN"]["frames_played"] > 50)
    brief = (await running.get("/sim/assigned"))["KRAKEN"]["BTC/USDT"]
    assert brief["count"] == brief["last_id"] - brief["first_id"] + 1 >= 50
    assert (await running.get("/0/public/Trades", pair="XBTUSDT"))["result"]["XBTUSDT"]
    await running.kraken("BTC/USDT")
    assert (await running.get("/sim/status"))["faults"] == {}


async def test_assigned_ids_have_no_hole_over_laps(running: Any) -> None:
    """Lap after lap the ids of every market are one range, with every exposed trade in it."""
    await running.status(lambda status: status["venues"]["BINANCE"]["frames_played"] > 1_200)
    for market in ("KRAKEN:BTC/USDT", "BINANCE:BTC/USDT", "BINANCE:ETH/USDT"):
        ((first, last),) = await running.get("/sim/assigned", ids=market)
        venue, symbol = market.split(":")
        brief = (await running.get("/sim/assigned"))[venue][symbol]
        assert brief["first_id"] == first
        assert brief["last_id"] >= last
        assert brief["count"] == brief["last_id"] - first + 1
        assert brief["holes"] == brief["resets"] == 0


async def test_holes_of_a_recording_are_told(
    simulate: Simulate, tmp_path: Path, packaged_lines: Callable[[str], list[str]], write_lines: Callable[..., Path]
) -> None:
    """Ids that a recording lacks were never assigned: they are holes, in every lap."""
    lines = packaged_lines("kraken_xbtusdt")[:30]
    write_lines(tmp_path / "kraken_xbtusdt_x_trades.jsonl.gz", lines[:10] + lines[12:20] + lines[23:])
    sim = await simulate(recordings=tmp_path, expect="kraken", unattended=True, speed=1e9)
    await sim.finished()
    first = 10218208
    assert await sim.get("/sim/assigned", ids="KRAKEN:BTC/USDT") == [
        [first, first + 9],
        [first + 12, first + 19],
        [first + 23, first + 29],
    ]
    brief = (await sim.get("/sim/assigned"))["KRAKEN"]["BTC/USDT"]
    assert (brief["count"], brief["holes"]) == (25, 5)


async def test_slow_socket_holds_up_nobody_and_is_dropped(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unattended, a reader that stands still loses its connection, another gets every trade."""
    monkeypatch.setattr(outbox, "FRAMES", 2_000)
    sim = await simulate(unattended=True, as_live=True, speed="fit", fit_s=2.0, expect="binance")
    host, port = sim.url.removeprefix("http://").split(":")
    stuck, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    streams = "/stream?streams=btcusdt@trade/ethusdt@trade"
    writer.write(f"GET {streams} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n{key}\r\n\r\n".encode())
    await stuck.readuntil(b"\r\n\r\n")
    monkeypatch.setattr(connection, "STALL_S", 3_600.0)
    await sim.fault("slow_frames", "BINANCE", symbol="ETH/USDT", value=60, seconds=600)
    live = await sim.socket(STREAM)
    ids = [json.loads(text)["data"]["t"] for text in await sim.texts(live, 9_000)]
    assert ids == list(range(ids[0], ids[0] + 9_000))
    await sim.status(lambda status: "ETH/USDT" in status["venues"]["BINANCE"]["waiting_for"])
    assert await sim.struck("queue_overflow") == 1
    writer.close()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "a fault is a JSON object"),
        ({}, "kind=None is not allowed"),
        ({"kind": "earthquake", "venue": "KRAKEN"}, "kind='earthquake' is not allowed: it is one of drop_ids"),
        ({"kind": "silent", "venue": "MARS"}, "venue='MARS' is not allowed for silent: it is one of KRAKEN, BINANCE"),
        ({"kind": "server_shutdown", "venue": "KRAKEN"}, "it is one of BINANCE"),
        ({"kind": "burst", "venue": "KRAKEN", "symbol": "X/Y"}, "symbol='X/Y' is not allowed: it is one of BTC/USDT"),
        ({"kind": "no_acks", "venue": "KRAKEN", "symbol": "BTC/USDT"}, "strikes the whole venue"),
        ({"kind": "burst", "venue": "KRAKEN", "count": 0}, "count=0 is not allowed for burst: 1 to 20000"),
        ({"kind": "burst", "venue": "KRAKEN", "count": 1.5}, "it is a whole number"),
        ({"kind": "burst", "venue": "KRAKEN", "seconds": 3}, "burst takes no seconds"),
        ({"kind": "silent", "venue": "KRAKEN", "seconds": True}, "seconds=True is not allowed"),
        ({"kind": "wrong_acks", "venue": "BINANCE", "value": "symbol"}, "it is one of id, error"),
        ({"kind": "silent", "venue": "KRAKEN", "hue": 3}, "hue is no field of a fault"),
        ({"kind": "silent", "venue": "KRAKEN", "ids": [1]}, "silent takes no ids"),
        ({"kind": "rest_holes", "venue": "KRAKEN", "ids": ["a"]}, "a list of 1 to"),
    ],
)
async def test_nonsense_is_refused_with_what_is_allowed(running: Any, said: Any, message: str) -> None:
    """A wrong request is a 400 that names what was given and what is allowed; nothing happens."""
    status, answer = await running.request_fault(said)
    assert status == 400
    assert message in answer["error"]


async def test_other_nonsense_is_refused(running: Any, simulate: Simulate) -> None:
    """No JSON, an unknown market, and faults where REST tells the future."""
    async with running.session.post(f"{running.url}/sim/faults", data="x") as answer:
        assert (answer.status, "not JSON" in (await answer.json())["error"]) == (400, True)
    assert "BINANCE:ETH/USDT" in (await running.get("/sim/assigned", ids="x"))["error"]
    settings: dict[str, Any] = {"rest_all": True}
    sim = await simulate(**settings)
    assert (await sim.request_fault({"kind": "silent", "venue": "KRAKEN"}))[0] == 400
    with pytest.raises(ConfigError, match="SIM_REST_ALL excludes SIM_STORM"):
        await simulate(**settings, storm=1)


async def test_a_fault_request_is_answered_and_logged(running: Any, tmp_path: Path) -> None:
    """The answer is the request as understood; the log says what struck, where and how often, the status how often."""
    socket = await running.kraken("BTC/USDT")
    _, answer = await running.request_fault({"kind": "overflow", "venue": "kraken", "count": 4})
    assert {key: answer[key] for key in ("kind", "venue", "symbol", "count")} == {
        "kind": "overflow",
        "venue": "KRAKEN",
        "symbol": "BTC/USDT",
        "count": 4,
    }
    await running.updates(socket, 20)
    await running.struck("overflow", 4)
    await running.stop()
    lines = faults_in(tmp_path / "log.jsonl")
    assert sum(line["struck"] for line in lines) == 4
    assert {(line["fault"], line["venue"], line["symbol"]) for line in lines} == {("overflow", "KRAKEN", "BTC/USDT")}
    assert all(line["time_ns"] > 0 for line in lines)


async def test_script_strikes_at_its_moments(simulate: Simulate, cut: Cut, tmp_path: Path) -> None:
    """Faults of a script strike in the order of their times, whatever the order of the lines."""
    script = tmp_path / "faults.jsonl"
    requests = [
        {"at_s": 0.3, "kind": "id_reset", "venue": "BINANCE", "symbol": "ETH/USDT"},
        {"at_s": 0.1, "kind": "burst", "venue": "BINANCE", "symbol": "ETH/USDT", "count": 50},
    ]
    script.write_text("".join(f"{json.dumps(request)}\n" for request in requests))
    sim = await simulate(recordings=cut(SIZES), faults_script=script, **LIVE)
    status = await sim.status(lambda status: len(status["faults"]) == 2)
    assert status["faults"] == {"burst": 1, "id_reset": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "faults.jsonl:2: not JSON"),
        ('{"kind":"burst","venue":"KRAKEN"}', "faults.jsonl:2: at_s=None is not allowed"),
        ('{"at_s":1,"kind":"x","venue":"KRAKEN"}', "faults.jsonl:2: kind='x' is not allowed"),
    ],
)
async def test_wrong_script_is_refused(simulate: Simulate, cut: Cut, tmp_path: Path, line: str, message: str) -> None:
    """A script that makes no sense ends the start, with its line."""
    script = tmp_path / "faults.jsonl"
    script.write_text(f"\n{line}\n")
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        await simulate(recordings=cut(SIZES), faults_script=script, **LIVE)


async def test_script_that_is_absent_is_refused(simulate: Simulate, tmp_path: Path) -> None:
    """A script that cannot be read is named."""
    with pytest.raises(ConfigError, match="absent cannot be read"):
        await simulate(faults_script=tmp_path / "absent", **LIVE)


async def reconnecting(sim: Any, path: str, opening: list[Any]) -> None:
    """A client that comes back whatever happens, and answers nothing but pings."""
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with sim.session.ws_connect(sim.url + path, timeout=aiohttp.ClientWSTimeout(ws_close=0.1)) as socket:
                for each in opening:
                    await socket.send_json(each)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        async for _ in socket:
                            pass


async def polling(sim: Any) -> None:
    """A client that asks REST of both venues again and again."""
    while True:
        for path in ("/0/public/Trades?pair=XBTUSDT&since=0", "/api/v3/historicalTrades?symbol=ETHUSDT&fromId=1"):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(0.2), sim.session.get(sim.url + path) as answer:
                    await answer.read()


async def test_storm_strikes_and_every_id_stays_accounted_for(simulate: Simulate, cut: Cut) -> None:
    """Under a storm the venues go on: faults of most kinds strike, and ids are assigned without a hole."""
    sim = await simulate(recordings=cut(SIZES), storm=6_000, seed=5, **LIVE)
    subscribe = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USDT"]}}
    streams = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@trade"], "id": 1}
    clients = [reconnecting(sim, "/v2", [subscribe]), reconnecting(sim, "/ws", [streams]), polling(sim)]
    tasks = [asyncio.create_task(client) for client in clients]
    await sim.status(lambda status: len(status["faults"]) >= len(INJECTED) * 3 // 4)
    for market in ("KRAKEN:BTC/USDT", "BINANCE:BTC/USDT", "BINANCE:ETH/USDT"):
        ranges = await sim.get("/sim/assigned", ids=market)
        assert all(first == 1 for first, _ in ranges[1:])
    for task in tasks:
        task.cancel()


def test_every_kind_has_an_effect_and_stands_in_the_readme() -> None:
    """The catalogue, the effects and the README name the same faults."""
    assert set(EFFECTS) == set(INJECTED)
    assert [kind for kind in INJECTED if f"`{kind}`" not in README.read_text()] == []
