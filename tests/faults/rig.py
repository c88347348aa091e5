"""A pipeline under load with everything that watches it: the oracle, the agents, the proxies and the offsets."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.content import Content
from tests.faults.deliveries import DeliveryLog
from tests.faults.observed import ObservedTopics
from tests.faults.offsets import OffsetWatch
from tests.faults.oracle import Oracle
from tests.faults.proxy import Proxy
from tests.faults.supervisor import SupervisedAgent, SupervisedAgents, until, up

from k2_local import Stack
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names

SERVICES = ("silver", "gold")
MEMBERS = 2  # the agents of a service that are always up; one more comes and goes in storms
_ENVIRONMENT = {"KAFKA_REQUEST_TIMEOUT_MS": "6000", "CHECKPOINT_INTERVAL_S": "1", "GOLD_COMPARED_IDS": "512"}


@dataclass(frozen=True)
class Rig:
    """Everything that a fault can reach."""

    settings: RunSettings
    names: Names
    agents: SupervisedAgents
    proxies: Mapping[str, Proxy]
    oracle: Oracle
    observed: ObservedTopics
    watch: OffsetWatch
    rng: random.Random
    stack: Stack | None = None

    def members(self, service: str) -> list[SupervisedAgent]:
        """A service's agents that are up between faults; the first is behind its proxy."""
        return self.agents.of(service)[:MEMBERS]

    async def recover(self) -> None:
        """Everything is up again, and nothing is done to replies."""
        for proxy in self.proxies.values():
            proxy.clear()
        await up(*(agent for service in SERVICES for agent in self.members(service)))


@asynccontextmanager
async def running(
    settings: RunSettings, schema_id: int, folder: Path, seed: int, per_second: int, stack: Stack | None = None
) -> AsyncIterator[Rig]:
    """A rig whose pipeline is up and under load; ``folder`` takes the logs."""
    names = Names(settings.k2_prefix)
    broker = int(settings.kafka_bootstrap_servers.rpartition(":")[2])
    async with AsyncExitStack() as opened:
        proxies = {f"{s}-0": await opened.enter_async_context(Proxy(broker).listening()) for s in SERVICES}
        agents = await opened.enter_async_context(_agents(settings, folder, proxies).supervising())
        oracle = Oracle(settings, names, Content(seed, schema_id), DeliveryLog(folder / "deliveries.jsonl"), per_second)
        watch = await opened.enter_async_context(OffsetWatch(settings, names).watching())
        observed = ObservedTopics(settings, names, schema_id)
        rig = Rig(settings, names, agents, proxies, oracle, observed, watch, random.Random(seed), stack)
        await rig.recover()
        await opened.enter_async_context(oracle.delivering())
        await until(lambda: oracle.log.deliveries, "the first delivery")
        yield rig


def _agents(settings: RunSettings, folder: Path, proxies: Mapping[str, Proxy]) -> SupervisedAgents:
    common = {
        **_ENVIRONMENT,
        "K2_PREFIX": settings.k2_prefix,
        "SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
    }
    every = [SupervisedAgent(service, number, common, folder) for service in SERVICES for number in range(MEMBERS + 1)]
    for agent in every:
        if agent.name in proxies:
            agent.environment = {**common, "KAFKA_BOOTSTRAP_SERVERS": proxies[agent.name].address}
    return SupervisedAgents(every)
