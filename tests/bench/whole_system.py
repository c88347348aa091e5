"""The whole system on a stack of its own: all agents, and both feeds at an exchange that trades at a given rate.

The exchange waits for its readers, as the simulator does by default: what they do not take in time it does not send.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from tests.bench.harness import counter
from tests.feeds import soak_market
from tests.feeds.sim import Sim
from tests.feeds.soak_market import Market
from tests.own_stack import servers

from k2 import init
from k2.init import InitSettings
from k2_local import Stack, StackSettings
from k2_local.processes import listener
from k2_local.settings import Catalog
from k2_local.targets import Agent, Targets
from k2_shared.core.contracts import venues
from k2_shared.core.trade import Exchange
from k2_shared.kafka.topics import GOLD
from k2_support.children import Child
from k2_support.ports import HOST

AGENTS = ("silver", "gold", "iceberg_sink", "warm_sink", "offload", "maintenance", "lag_exporter")
SIMULATOR = "exchange_sim"
SYMBOLS = 8  # of each venue
TRADES = 600  # of each in a lap; Kraken's recording has no more
SEED = 7
READY_S = 180.0
IDLE = {"MAINTENANCE_SCHEDULE": "0 2 29 2 *"}  # as the maintenance is for all but an hour of the day
_RECORDINGS: Mapping[Exchange, str] = {"KRAKEN": "kraken_xbtusdt", "BINANCE": "binance_btcusdt"}
MARKETS = tuple(
    Market(venue, f"Q{number:02}/USDT", recording, f"q{number:02}usdt", TRADES)
    for venue, recording in _RECORDINGS.items()
    for number in range(SYMBOLS)
)


def lap_s(rate: float) -> float:
    """How long a lap takes at so many trades a second of all markets."""
    return sum(market.trades for market in MARKETS) / rate


@dataclass(frozen=True)
class System:
    """Everything that runs; ``folder`` has the agents' logs and the file of targets, ``settings`` name the servers."""

    stack: Stack
    settings: Mapping[str, str]
    sims: Mapping[Exchange, Sim]
    agents: Mapping[str, Child]
    folder: Path

    def pids(self) -> dict[str, int]:
        """The process of each component, servers and agents."""
        return {**self.stack.pids(), **{name: child.pid for name, child in self.agents.items()}}

    def simulator_pid(self) -> int:
        """The process of both exchanges, which are no part of the system."""
        port = urlsplit(next(iter(self.sims.values())).urls["url"]).port
        found = listener(port) if port else None
        assert found
        return found

    async def counts(self) -> dict[str, int]:
        """How many trades the exchanges have sent, and gold, the lake's gold and the warm gold have by now."""
        sim = next(iter(self.sims.values()))
        async with sim.session.get(f"{sim.urls['url']}/sim/assigned") as answer:
            assigned: Any = await answer.json()
        sent = sum(int(each["count"]) for symbols in assigned.values() for each in symbols.values())
        reached = await asyncio.to_thread(self._reached)
        return {"sent": sent, **reached}

    def _reached(self) -> dict[str, int]:
        agents = self.agents
        return {
            "gold": int(counter(agents["gold"], "k2_records_sent", topic=GOLD)),
            "lake": int(counter(agents["iceberg_sink"], "k2_table_rows", table="gold_crypto_trades")),
            "warm": int(counter(agents["warm_sink"], "k2_table_rows", table="gold_trades")),
        }

    def check(self) -> None:
        """Notice an agent's end.

        Raises:
            Unavailable: one has ended; quotes its log.
        """
        for child in self.agents.values():
            child.check()


@asynccontextmanager
async def whole_system(
    rate: float,
    state: Path,
    folder: Path,
    console: Console,
    catalog: Catalog,
    settings: Mapping[str, str] = IDLE,
    flags: Sequence[str] = (),
) -> AsyncIterator[System]:
    """All of it, ready and under load, on an empty stack; stopped and emptied in the end.

    ``settings`` are the agents' beside where the servers are, ``flags`` the exchanges'.
    """
    Stack(StackSettings.load(k2_state_dir=state)).reset()  # of a run that was killed
    async with AsyncExitStack() as opened:
        stack = opened.enter_context(servers(state, lambda line: console.print(line), catalog))
        opened.callback(stack.reset)
        environment = {**stack.env(), "K2_PREFIX": ""}
        await asyncio.to_thread(init.apply, _init_settings(environment))
        sims = await opened.enter_async_context(soak_market.trading(folder, SEED, MARKETS, lap_s(rate), more=flags))
        told = {name: {**environment, **settings, **own} for name, own in _agents(sims).items()}
        agents = {name: Child.agent(name, each, folder) for name, each in told.items()}
        for child in agents.values():
            opened.callback(child.stop)
        _write_targets(stack, agents, environment, folder)
        await _started(agents)
        yield System(stack, environment, sims, agents, folder)


def _init_settings(environment: Mapping[str, str]) -> InitSettings:
    return InitSettings.load(**{name.lower(): value for name, value in environment.items()})


def _agents(sims: Mapping[Exchange, Sim]) -> dict[str, Mapping[str, str]]:
    """What each agent is told of its own, the feeds last: the exchanges trade once both listen."""
    feeds = {venues()[venue].service: soak_market.environment(sim, MARKETS) for venue, sim in sims.items()}
    return {**{name: {} for name in AGENTS}, **feeds}


def _write_targets(stack: Stack, agents: Mapping[str, Child], settings: Mapping[str, str], folder: Path) -> None:
    found = tuple(Agent(name=name, url=f"http://{HOST}:{child.web_port}") for name, child in agents.items())
    Targets(agents=found, settings=settings, start=stack.order("up"), stack=stack.folder).write(folder)


async def _started(agents: Mapping[str, Child]) -> None:
    """Start every agent and wait until it is ready, the feeds when all others are."""
    for which in (AGENTS, tuple(agents.keys() - set(AGENTS))):
        for name in which:
            agents[name].start()
        for name in which:
            await asyncio.to_thread(agents[name].wait_ready, READY_S)
