"""Both venues, their feeds, silver and gold under one supervisor, and what is known of them all the time."""

import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tests.faults.proxy import Proxy
from tests.faults.supervisor import SupervisedAgent, SupervisedAgents, until, up
from tests.feeds import soak_market
from tests.feeds.sim import Sim
from tests.feeds.soak_memory import Memory
from tests.feeds.soak_watch import Ids, Records, watching

from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Resumption, SymbolRecord, now_us
from k2_shared.kafka.topics import Names
from k2_support.topics import write

SUPPRESSED = "k2_feed_suppressed_total"
_READ_S, _SAMPLE_S = 0.5, 5.0
_FEEDS = {
    "FEED_SOCKETS": "2",
    "FEED_GAP_GRACE_S": "0.5",
    "FEED_GAP_PATIENCE_S": "90",
    "FEED_BACKOFF_BASE_S": "0.2",
    "FEED_BACKOFF_CAP_S": "3",
    "FEED_ACK_TIMEOUT_S": "5",
    "FEED_PING_INTERVAL_S": "2",
    "FEED_PING_TIMEOUT_S": "3",
    "FEED_STALE_AFTER_S": "8",
    "FEED_CHECKPOINT_S": "2",
    "FEED_ROTATE_DEADLINE_S": "20",
}


@dataclass
class Rig:
    """A long run's processes, and the records of what they do; the feeds know the broker only by a proxy."""

    settings: RunSettings
    names: Names
    sims: Mapping[Exchange, Sim]
    kafka: Proxy
    agents: SupervisedAgents
    records: Records
    memory: Memory = field(default_factory=Memory)
    suppressed: dict[int, float] = field(default_factory=dict)  # by process, as it last said
    _sampled: float = 0.0

    def feed(self, venue: Exchange) -> SupervisedAgent:
        """A venue's feed."""
        return self.agents.of(f"feed_{venue.lower()}")[0]

    @property
    def feeds(self) -> list[SupervisedAgent]:
        """Both feeds."""
        return [self.feed(venue) for venue in self.sims]

    async def assigned(self) -> Ids:
        """The ids that the venues have assigned so far, in the order of assignment."""
        return {
            venue: {symbol: await sim.assigned(symbol) for symbol in soak_market.of(venue)}
            for venue, sim in self.sims.items()
        }

    async def hidden(self, venue: Exchange, symbol: str) -> list[tuple[int, int]]:
        """The ids that a venue's REST never has."""
        sim = self.sims[venue]
        async with sim.session.get(f"{sim.urls['url']}/sim/assigned?hidden={venue}:{symbol}") as answer:
            return [(first, last) for first, last in await answer.json()]

    async def struck(self) -> dict[str, int]:
        """How often each kind of fault struck, as the simulator counts it."""
        status: Any = await next(iter(self.sims.values())).status()
        return {kind: int(count) for kind, count in status["faults"].items()}

    async def strike_process(self, venue: Exchange, number: signal.Signals) -> None:
        """Send a signal to a venue's feed, once it runs; its supervisor starts it again when it ends."""
        agent = self.feed(venue)
        await until(lambda: agent.running, f"{agent.name} as a process")
        agent.send(number)

    async def accept(self, venue: Exchange, symbol: str) -> None:
        """The operator's word that a symbol's new numbering counts."""
        said = SymbolRecord(
            exchange=venue, symbol=symbol, captured=True, at=now_us(), resumption=Resumption.ACCEPT
        )  # fmt: skip
        await write(self.settings, self.names, [feed_records.symbols.outgoing(said)])

    async def stop_feeds(self) -> None:
        """End both feeds in order, for good."""
        await self._ask()
        for agent in self.feeds:
            await agent.end(signal.SIGTERM)

    async def sample(self) -> None:
        """Note memory and copies, now and then."""
        if time.monotonic() - self._sampled >= _SAMPLE_S:
            self._sampled = time.monotonic()
            self.memory.note(SupervisedAgents(self.feeds))
            await self._ask()

    async def _ask(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for agent in self.feeds:
                with suppress(aiohttp.ClientError, OSError, TimeoutError):
                    await self._ask_one(session, agent)

    async def _ask_one(self, session: aiohttp.ClientSession, agent: SupervisedAgent) -> None:
        child = agent.child
        if child:
            async with session.get(f"http://127.0.0.1:{child.web_port}/metrics") as answer:
                families = text_string_to_metric_families(await answer.text())
            samples = [each for family in families for each in family.samples]
            self.suppressed[child.pid] = sum(each.value for each in samples if each.name == SUPPRESSED)


@asynccontextmanager
async def running(
    settings: RunSettings, schema_id: int, folder: Path, seed: int, *services: str, **environment: str
) -> AsyncIterator[Rig]:
    """A rig whose processes are ready: both feeds, and the services named. ``folder`` takes the logs."""
    names = Names(settings.k2_prefix)
    proxy = Proxy(int(settings.kafka_bootstrap_servers.rpartition(":")[2]))
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(proxy.listening())
        sims = await opened.enter_async_context(soak_market.trading(folder, seed))
        common = {
            "K2_PREFIX": settings.k2_prefix,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        }
        behind = {**common, "KAFKA_BOOTSTRAP_SERVERS": proxy.address, **_FEEDS, **environment}
        feeds = [
            SupervisedAgent(f"feed_{venue.lower()}", 0, {**behind, **soak_market.environment(sim)}, folder)
            for venue, sim in sims.items()
        ]
        agents = SupervisedAgents([*feeds, *(SupervisedAgent(service, 0, common, folder) for service in services)])
        await opened.enter_async_context(agents.supervising())
        rig = Rig(settings, names, sims, proxy, agents, Records(schema_id))
        await up(*agents)
        await opened.enter_async_context(watching(settings, names, rig.records, _READ_S, rig.sample))
        yield rig
