"""Fixtures: recordings of any size, and a simulator on a free port of this host."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from exchange_sim.model import Recording
from exchange_sim.oracle import OracleLog
from exchange_sim.recordings import PACKAGED, load
from exchange_sim.server import Simulator
from exchange_sim.settings import SimSettings

DEADLINE_S = 90


@dataclass
class Running:
    """A simulator that listens, and a client session to it."""

    url: str
    session: aiohttp.ClientSession
    stack: AsyncExitStack
    stop: Callable[[], Awaitable[None]]

    async def get(self, path: str, **query: str) -> Any:
        async with self.session.get(self.url + path, params=query) as answer:
            return await answer.json()

    async def request_fault(self, said: Any) -> tuple[int, Any]:
        """Ask for a fault; the status and the answer."""
        async with self.session.post(f"{self.url}/sim/faults", json=said) as answer:
            return answer.status, await answer.json()

    async def fault(self, kind: str, venue: str, **said: Any) -> Any:
        """Inject a fault; what it did."""
        status, answer = await self.request_fault({"kind": kind, "venue": venue, **said})
        assert status == 200, answer
        return answer["did"]

    async def struck(self, kind: str, times: int = 1) -> int:
        """Wait until a fault has struck so often; how often it has."""
        status = await self.status(lambda status: status["faults"].get(kind, 0) >= times)
        return int(status["faults"][kind])

    async def exposed(self, market: str, last_id: int) -> None:
        """Wait until a market has assigned an id."""
        async with asyncio.timeout(DEADLINE_S):
            while (await self.get("/sim/assigned", ids=market))[-1][1] < last_id:
                pass

    async def socket(self, path: str) -> aiohttp.ClientWebSocketResponse:
        return await self.stack.enter_async_context(self.session.ws_connect(self.url + path))

    async def kraken(self, *symbols: str, snapshot: bool = False) -> aiohttp.ClientWebSocketResponse:
        """A socket that is subscribed and has read its acks."""
        socket = await self.socket("/v2")
        params = {"channel": "trade", "symbol": list(symbols), "snapshot": snapshot}
        await socket.send_json({"method": "subscribe", "params": params, "req_id": 1})
        for _ in range(1 + len(symbols)):
            await socket.receive_json(timeout=DEADLINE_S)
        return socket

    async def updates(self, socket: aiohttp.ClientWebSocketResponse, wanted: int) -> list[Any]:
        """The trades of Kraken's updates, until so many have come."""
        trades: list[Any] = []
        async with asyncio.timeout(DEADLINE_S):
            while len(trades) < wanted:
                message = await socket.receive_json(loads=lambda text: json.loads(text, parse_float=str))
                trades += message["data"] if message.get("type") == "update" else []
        return trades

    async def texts(self, socket: aiohttp.ClientWebSocketResponse, wanted: int) -> list[str]:
        """So many messages."""
        async with asyncio.timeout(DEADLINE_S):
            return [await socket.receive_str() for _ in range(wanted)]

    async def status(self, wanted: Callable[[Any], bool]) -> Any:
        """Ask for the status until it is as wanted."""
        async with asyncio.timeout(DEADLINE_S):
            while not wanted(status := await self.get("/sim/status")):
                pass
        return status

    async def finished(self) -> Any:
        return await self.status(lambda status: status["finished"])


Simulate = Callable[..., Awaitable[Running]]


@pytest.fixture
async def simulate() -> AsyncIterator[Simulate]:
    """Start a simulator with these settings; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Running:
            given = SimSettings.load(sim_port=0, **{f"sim_{name}": value for name, value in settings.items()})
            log = OracleLog(given.sim_log)
            stack.callback(log.close)
            simulator = Simulator(given, load(given.sim_recordings), log)
            runner = web.AppRunner(simulator.app())
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            playing = asyncio.create_task(simulator.play())
            stack.callback(playing.cancel)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Running(f"http://127.0.0.1:{runner.addresses[0][1]}", session, stack, runner.cleanup)

        yield start


@pytest.fixture
async def running(simulate: Simulate, cut: "Cut", tmp_path: Path) -> Running:
    """Both venues as if live, unattended, some hundred trades a second, a log at ``tmp_path / "log.jsonl"``."""
    sizes = {"binance_btcusdt": 300, "binance_ethusdt": 200, "kraken_xbtusdt": 200}
    settings = {"unattended": True, "as_live": True, "speed": "fit", "fit_s": 1.0}
    return await simulate(recordings=cut(sizes), log=tmp_path / "log.jsonl", **settings)


@pytest.fixture(scope="session")
def recordings_folder() -> Path:
    """The packaged recordings, or those that SIM_TEST_RECORDINGS names."""
    return Path(os.environ.get("SIM_TEST_RECORDINGS", PACKAGED))


@pytest.fixture(scope="session")
def recordings(recordings_folder: Path) -> list[Recording]:
    return load(recordings_folder)


def lines(name: str) -> list[str]:
    """The lines of a packaged recording."""
    (path,) = PACKAGED.glob(f"{name}_*.gz")
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def write(path: Path, content: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in content).encode()))
    return path


Cut = Callable[[Mapping[str, int]], Path]


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """Make a folder with the first so many lines of packaged recordings: ``{"kraken_xbtusdt": 100}``."""

    def make(sizes: Mapping[str, int]) -> Path:
        folder = tmp_path / "recordings"
        folder.mkdir()
        for name, size in sizes.items():
            write(folder / f"{name}_cut_trades.jsonl.gz", lines(name)[:size])
        return folder

    return make


@pytest.fixture
def packaged_lines() -> Callable[[str], list[str]]:
    return lines


@pytest.fixture
def write_lines() -> Callable[[Path, list[str]], Path]:
    return write
