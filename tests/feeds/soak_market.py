"""Both venues of a long run, on one simulator: what they trade, for ever, from the packaged recordings."""

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tests.feeds.sim import Sim

from exchange_sim.recordings import PACKAGED
from k2_shared.core.trade import Exchange

LAP_S = 20.0
_STOP_S = 10.0
_CHATTER_BYTES = 65_536


@dataclass(frozen=True)
class Market:
    """One symbol: the recording that it plays, under which name the venue knows it, and its trades in a lap."""

    venue: Exchange
    symbol: str
    recording: str
    name: str
    trades: int
    resets: bool = False  # its ids start anew once; no other fault is meant for it alone


# Kraken's REST rows name no pair; in Binance's frames the name is replaced.
LIVELY = (
    Market("KRAKEN", "BTC/USDT", "kraken_xbtusdt", "xbtusdt", 600),
    Market("KRAKEN", "ETH/USD", "kraken_xbtusdt", "ethusd", 300),
    Market("KRAKEN", "SOL/USD", "kraken_xbtusdt", "solusd", 40, resets=True),
    Market("KRAKEN", "ADA/EUR", "kraken_xbtusdt", "adaeur", 40, resets=True),
    Market("BINANCE", "BTC/USDT", "binance_btcusdt", "btcusdt", 3_000),
    Market("BINANCE", "ETH/USDT", "binance_ethusdt", "ethusdt", 1_500),
    Market("BINANCE", "SOL/USDT", "binance_ethusdt", "solusdt", 60, resets=True),
    Market("BINANCE", "XRP/USDT", "binance_btcusdt", "xrpusdt", 60, resets=True),
)
QUIET_OF_EACH = 96  # with the lively ones 200 in all
MARKETS = (
    *LIVELY,
    *(
        Market(venue, f"Q{number:02}/USDT", recording, f"q{number:02}usdt", trades)
        for venue, recording, trades in (("KRAKEN", "kraken_xbtusdt", 30), ("BINANCE", "binance_ethusdt", 40))
        for number in range(QUIET_OF_EACH)
    ),
)


def of(venue: Exchange, markets: Sequence[Market] = MARKETS) -> list[str]:
    """The symbols of a venue."""
    return [each.symbol for each in markets if each.venue == venue]


def lively(venue: Exchange, *, resets: bool = False) -> list[str]:
    """The lively symbols of a venue whose ids are reset, or the others."""
    return [each.symbol for each in LIVELY if each.venue == venue and each.resets == resets]


def environment(sim: Sim, markets: Sequence[Market] = MARKETS) -> dict[str, str]:
    """Where a venue's feed finds it, and what it is to capture."""
    return {
        f"{sim.venue}_WS_URL": sim.ws_url,
        f"{sim.venue}_REST_URL": sim.urls["url"],
        f"{sim.venue}_SYMBOLS": ",".join(of(sim.venue, markets)),
    }


@asynccontextmanager
async def trading(
    folder: Path,
    seed: int,
    markets: Sequence[Market] = MARKETS,
    lap_s: float = LAP_S,
    more: Sequence[str] = ("--unattended", "--strict-rest"),
) -> AsyncIterator[Mapping[Exchange, Sim]]:
    """Both venues trade for the length of a block, by default whoever listens; chatter and recordings go to ``folder``.

    Each market has its trades once in ``lap_s``; ``more`` are flags of the simulator.
    """
    _record(folder / "recordings", markets)
    flags = ["--port", "0", "--recordings", str(folder / "recordings"), "--seed", str(seed), "--fit-s", str(lap_s)]
    with (folder / "exchange_sim.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "exchange_sim", "--as-live", "--speed", "fit", *more, *flags],
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_CHATTER_BYTES,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        urls = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield {venue: Sim(venue, urls, session) for venue in ("KRAKEN", "BINANCE")}
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _record(folder: Path, markets: Sequence[Market]) -> None:
    """The beginnings of packaged recordings, each under its market's name."""
    folder.mkdir()
    for market in markets:
        (source,) = PACKAGED.glob(f"{market.recording}_*.gz")
        lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)[: market.trades]
        text = b"".join(lines)
        if market.venue == "BINANCE":
            before = market.recording.removeprefix("binance_")
            text = text.replace(before.encode(), market.name.encode())
            text = text.replace(before.upper().encode(), market.name.upper().encode())
        (folder / f"{market.venue.lower()}_{market.name}_cut_trades.jsonl.gz").write_bytes(gzip.compress(text))
