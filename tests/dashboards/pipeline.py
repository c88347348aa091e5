"""Every service at work: one venue trades live, the other plays a recording, so that there are hours that are over."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.feeds.sim import BTC, ETH, Plays, Sim, simulating

from k2 import init
from k2.demo.agents import Simulator, stop_all
from k2.init import InitSettings
from k2_local import Stack
from k2_support.children import Child

LIVE = Plays({BTC: 5_000, ETH: 3_000}, lap_s=60.0)
_READY_S = 120.0
_FLAGS = ("--duplicates", "0.01", "--invalid", "0.004")
_RECORDED = {"expect": "kraken", "speed": "fit", "fit-s": "60", "duplicates": "0.01", "invalid": "0.01"}
_EVERY_MINUTE = "* * * * *"
_COMMON = {
    "K2_PREFIX": "",
    "FEED_ROTATE_AFTER_S": "60",
    "FEED_GAP_PATIENCE_S": "10",
    "SINK_INTERVAL_S": "5",
    "SINK_SNAPSHOT_AGE_S": "60",
    "SINK_EXPIRE_INTERVAL_S": "20",
    "OFFLOAD_SNAPSHOT_AGE_S": "60",
    **{f"OFFLOAD_{tables}_SCHEDULE": _EVERY_MINUTE for tables in ("RAW", "BRONZE", "SILVER", "CANDLES")},
}


@dataclass(frozen=True)
class Pipeline:
    """The live venue, and the agents by their names."""

    live: Sim
    agents: Mapping[str, Child]

    @property
    def ports(self) -> Mapping[str, int]:
        """Where each agent's metrics are."""
        return {name: agent.web_port for name, agent in self.agents.items()}

    async def provoke(self) -> None:
        """Have happen what panels are about and a quiet day does not bring."""
        await provoke(self.live, BTC)
        await self.live.fault("unfillable", symbol=ETH, count=1)

    def check(self) -> None:
        """Notice an agent that has ended.

        Raises:
            Unavailable: one has; quotes its log.
        """
        for agent in self.agents.values():
            agent.check()


async def provoke(venue: Sim, symbol: str) -> None:
    """Have happen at a venue what a quiet day does not bring, panels are about, and nobody is woken for."""
    await venue.fault("drop_ids", symbol=symbol, count=3)
    await venue.fault("drop_connections", count=1)
    await venue.fault("duplicate_trades", count=5)


@asynccontextmanager
async def running(stack: Stack, folder: Path) -> AsyncIterator[Pipeline]:
    """All of it on a stack that is up and empty, each agent ready, for the length of a block."""
    environment = {**stack.env(), **_COMMON}
    settings = {name.lower(): value for name, value in environment.items()}
    await asyncio.to_thread(init.apply, InitSettings.load(**settings))
    async with AsyncExitStack() as ending:
        live = await ending.enter_async_context(simulating("BINANCE", LIVE, _made(folder / "live"), _FLAGS))
        recorded = Simulator(_made(folder / "recorded"), _RECORDED)
        ending.callback(stop_all, folder / "recorded")
        await asyncio.to_thread(recorded.start)
        own = _own(recorded.feed_environment(), live)
        agents = {name: Child.agent(name, {**environment, **given}, folder) for name, given in own.items()}
        for agent in agents.values():
            ending.callback(agent.stop)
            agent.start()
        await asyncio.gather(*(asyncio.to_thread(agent.wait_ready, _READY_S) for agent in agents.values()))
        yield Pipeline(live, agents)


def _own(recorded: Mapping[str, str], live: Sim) -> dict[str, Mapping[str, str]]:
    """What each agent has for itself; the maintenance works once, as soon as there is something."""
    kraken = {name: value for name, value in recorded.items() if name.startswith("KRAKEN_")}
    binance = {"BINANCE_WS_URL": live.ws_url, "BINANCE_REST_URL": live.urls["url"]}
    return {
        "feed_kraken": {**kraken, "KRAKEN_SYMBOLS": BTC},
        "feed_binance": {**binance, "BINANCE_SYMBOLS": ",".join(LIVE.symbols)},
        **{name: {"K2_INSTANCE": name} for name in ("silver", "gold", "iceberg_sink", "warm_sink")},
        "lag_exporter": {"LAG_INTERVAL_S": "5"},
        "offload": {},
        "maintenance": maintained_in(timedelta(minutes=2)),
    }


def maintained_in(time: timedelta) -> dict[str, str]:
    """What the maintenance is told so that it works once, in so long, by the Spark that this suite was given."""
    due = datetime.now(UTC) + time
    return {"MAINTENANCE_SCHEDULE": f"{due.minute} {due.hour} * * *", "SPARK_PYTHON": os.environ["SPARK_PYTHON"]}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
