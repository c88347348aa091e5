"""The exchange simulator as a process: what it plays, which faults it is told, and which ids it has assigned."""

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from exchange_sim.recordings import PACKAGED
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.intervals import Interval
from k2_support.waiting import eventually

BTC, ETH = "BTC/USDT", "ETH/USDT"
# pairs whose names are not of the kind that one expects
NAMED: Mapping[Exchange, Sequence[str]] = {"KRAKEN": ["AAPLx/USD", "ETH2.S/ETH"], "BINANCE": ["币安人生/USDT"]}
QUIET = 2  # trades in a lap
_STOP_S = 10.0
# Kraken's REST rows name no pair, so that one recording serves for two.
_SOURCES: Mapping[tuple[Exchange, str], str] = {
    ("KRAKEN", BTC): "kraken_xbtusdt",
    ("KRAKEN", ETH): "kraken_xbtusdt",
    ("BINANCE", BTC): "binance_btcusdt",
    ("BINANCE", ETH): "binance_ethusdt",
    ("KRAKEN", "AAPLx/USD"): "kraken_xbtusdt",
    ("KRAKEN", "ETH2.S/ETH"): "kraken_xbtusdt",
    ("BINANCE", "币安人生/USDT"): "binance_btcusdt",
}
_FILES: Mapping[tuple[Exchange, str], str] = {
    **_SOURCES,
    ("KRAKEN", ETH): "kraken_ethusdt",
    ("KRAKEN", "AAPLx/USD"): "kraken_AAPLxUSD",
    ("KRAKEN", "ETH2.S/ETH"): "kraken_ETH2.SETH",
    ("BINANCE", "币安人生/USDT"): "binance_币安人生usdt",
}


@dataclass(frozen=True)
class Plays:
    """What a venue trades, for ever: the first so many recorded trades of each symbol, in laps of ``lap_s``."""

    trades: Mapping[str, int]
    lap_s: float = 4.0
    captured: Sequence[str] = ()  # all, where it names none

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that it trades."""
        return list(self.trades)

    @property
    def lively(self) -> Sequence[str]:
        """Those captured that trade all the time."""
        return [symbol for symbol in self.captured or self.trades if self.trades[symbol] > QUIET]


@dataclass(frozen=True)
class Sim:
    """One simulated venue; ``urls`` are those that it announced."""

    venue: Exchange
    urls: Mapping[str, str]
    session: aiohttp.ClientSession

    @property
    def ws_url(self) -> str:
        """What the venue's feed connects to."""
        return self.urls["kraken_ws_url"] if self.venue == "KRAKEN" else f"{self.urls['binance_ws_url']}/stream"

    async def fault(self, kind: str, **said: Any) -> Any:
        """Inject a fault; returns what it did at once."""
        body = {"kind": kind, "venue": self.venue, **said}
        async with self.session.post(f"{self.urls['url']}/sim/faults", json=body) as answer:
            found = await answer.json()
        assert answer.status == 200, found
        return found["did"]

    async def status(self) -> Any:
        """Its state, and under ``faults`` how often each kind struck."""
        return await self._get("/sim/status")

    async def struck(self, kind: str, times: int = 1) -> None:
        """Wait until a fault has struck so often."""

        async def enough() -> bool:
            return int((await self.status())["faults"].get(kind, 0)) >= times

        await eventually(enough, f"the strike of {kind}", 60.0)

    async def assigned(self, symbol: str) -> list[Interval]:
        """The ids that the venue has assigned so far, in order of assignment."""
        return [(first, last) for first, last in await self._get(f"/sim/assigned?ids={self.venue}:{symbol}")]

    async def traded(self, symbol: str, count: int) -> None:
        """Wait until the venue has traded so often from now on."""
        before = (await self.assigned(symbol))[-1][1]

        async def enough() -> bool:
            last = (await self.assigned(symbol))[-1][1]
            return last < before or last >= before + count  # ids may start anew

        await eventually(enough, f"{count} trades of {symbol}", 60.0)

    async def _get(self, path: str) -> Any:
        async with self.session.get(self.urls["url"] + path) as answer:
            return await answer.json()


@asynccontextmanager
async def simulating(venue: Exchange, plays: Plays, folder: Path, flags: Sequence[str]) -> AsyncIterator[Sim]:
    """A venue that trades whoever listens, for the length of a block; its chatter goes to ``folder``."""
    recordings = _cut(venue, plays, folder / "recordings")
    given = ["--port", "0", "--recordings", str(recordings), "--expect", venue.lower(), "--fit-s", str(plays.lap_s)]
    with (folder / "exchange_sim.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "exchange_sim", "--as-live", "--unattended", "--speed", "fit", *given, *flags],
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        urls = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield Sim(venue, urls, session)
    finally:
        await _end(process)


def _named(lines: Sequence[bytes], source: str, name: str) -> bytes:
    """A recording under another name: Binance's frames name the pair, in lower and upper case."""
    old, new = (each.split("_")[1] for each in (source, name))
    text = b"".join(lines).decode()
    return text.replace(old, new).replace(old.upper(), new.upper()).encode()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _cut(venue: Exchange, plays: Plays, folder: Path) -> Path:
    """The beginnings of packaged recordings."""
    folder.mkdir()
    for symbol, count in plays.trades.items():
        (source,) = PACKAGED.glob(f"{_SOURCES[venue, symbol]}_*.gz")
        lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
        assert count <= len(lines), f"{source.name} has {len(lines)} trades"
        name = _FILES[venue, symbol]
        (folder / f"{name}_cut_trades.jsonl.gz").write_bytes(gzip.compress(_named(lines[:count], source.name, name)))
    return folder
