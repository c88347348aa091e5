"""A small pipeline on servers of its own, whose parts can be lost, and the check that each table equals its topics."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.supervisor import SupervisedAgent, until
from tests.restores.told import Told
from tests.warm.content import Content
from tests.warm.load import send

from k2.cold.offloading import Mode, offloaded
from k2.cold.wanted import EVERY_HOUR
from k2_local import Stack
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import Names, apply_subjects
from k2_shared.lake.retries import at_table
from k2_support.warm_tables import WarmTables

STAGES, SINKS = ("silver", "gold"), ("iceberg_sink", "warm_sink")
ARRIVAL_S = 240.0
_COMMAND_S = 300
_TRADES = 6
_LATER = timedelta(hours=2)  # the hour of now is as good as over
_FAST = {
    "SINK_INTERVAL_S": "0.5",
    "SINK_OUTLIVE_S": "1",
    "WARM_INTERVAL_S": "0.3",
    "WARM_OUTLIVE_S": "1",
}


class Unequal(K2Error):
    """Something is not as it was, or not as its topics say."""


@dataclass
class World:
    """The servers, the agents that are started and stopped by name, and what all topics were ever told."""

    settings: RunSettings
    stack: Stack
    names: Names
    folder: Path
    content: Content
    agents: Mapping[str, SupervisedAgent]
    told: Told
    warm: WarmTables
    environment: Mapping[str, str] = field(default_factory=dict)

    async def feed(self, batches: int) -> None:
        """Write frames and deliveries as feeds do; silver, gold and the letters are for the agents to make."""
        async with clients.started(clients.producer(self.settings), self.settings) as producer:
            for _ in range(batches):
                fed, _validated = self.content.batch(_TRADES)
                await send(producer, self.names, fed)

    async def start(self, *services: str) -> None:
        """Start agents, and wait until they work."""
        for service in services:
            self.agents[service].start()
        for service in services:
            await self.agents[service].ready()

    async def stop(self, *services: str) -> None:
        """Stop agents in order.

        Raises:
            Unequal: one did not end as it should.
        """
        for service in services:
            end = await self.agents[service].end(signal.SIGTERM)
            if end is None or end.exit_code:
                raise Unequal(f"{service} did not stop in order: {end}")

    async def refuses(self, service: str, said: str, code: int = 3, **environment: str) -> None:
        """Start an agent that must end with an exit code and say this.

        Raises:
            Unequal: it ends otherwise.
            Unavailable: it works.
        """
        agent = self.agents[service]
        agent.start(**environment)
        end = await agent.wait_end(ARRIVAL_S)
        lines = end.log.read_text()
        if end.exit_code != code or said not in lines:
            raise Unequal(f"{service} ended with {end.exit_code} and does not say {said!r}: {lines[-500:]}")

    async def settle(self) -> None:
        """Wait until everything has arrived, and compare each table with its topics.

        Raises:
            Unequal: one is not equal.
            Unavailable: it does not arrive.
        """
        await until(self._is_drained, "every trade in silver and gold", ARRIVAL_S)
        await until(lambda: asyncio.to_thread(self._have_arrived), "every row in every table", ARRIVAL_S)
        demand(await asyncio.to_thread(self.unequal))

    def unequal(self) -> list[str]:
        """What of the tables of lake and warm tier is not as their topics say."""
        self.warm.close()
        return [*self.told.unlike_lake(self.environment), *self.told.unlike_warm(self.warm)]

    def offload(self) -> None:
        """Put every hour into the cold tables, that of now as well."""
        with opened(ColdOffload, self.settings_of(ColdSettings), cold_tables(), lambda _: at_table(20)) as offloads:
            for name, each in offloads.items():
                offloaded(name, each, EVERY_HOUR, Mode(dry_run=False, allow_shrink=False), datetime.now(UTC) + _LATER)

    def settings_of(self, kind: Any) -> Any:
        """Settings of this world."""
        fields = {name.lower(): value for name, value in self.environment.items()}
        return kind.load(**{name: value for name, value in fields.items() if name in kind.model_fields})

    def k2(self, *words: str) -> str:
        """What a command prints, as an operator gives it.

        Raises:
            Unequal: it ends with another code than 0.
        """
        done = subprocess.run(
            [sys.executable, "-m", "k2", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
        )
        if done.returncode:
            raise Unequal(f"k2 {' '.join(words)}: exit {done.returncode}: {done.stderr[-500:]}{done.stdout[-500:]}")
        return done.stdout

    def state_of(self, part: str) -> Path:
        """The folder of a server's data."""
        return self.stack.settings.state / part

    def lose(self, part: str) -> None:
        """A server, which is stopped, and all of its data are gone."""
        self.stack.down(only=[part])
        shutil.rmtree(self.state_of(part))

    async def _is_drained(self) -> bool:
        await self.told.read_on()
        return self.told.is_drained

    def _have_arrived(self) -> bool:
        return self.told.are_in_lake(self.environment) and self.told.are_in_warm(self.warm)


def demand(said: list[str]) -> None:
    """Go on only where nothing was said.

    Raises:
        Unequal: something was.
    """
    if said:
        raise Unequal("; ".join(said))


@asynccontextmanager
async def running(settings: RunSettings, stack: Stack, folder: Path, seed: int) -> AsyncIterator[World]:
    """A pipeline of its own topics and tables, made by ``k2 init``, whose agents are up; ``folder`` takes the logs."""
    names = Names(settings.k2_prefix)
    environment = {**stack.env(), "K2_PREFIX": settings.k2_prefix}
    agents = dict(_agents({**environment, **_FAST}, folder))
    content, told = Content(seed, 0, days=2), Told(settings, names)
    world = World(settings, stack, names, folder, content, agents, told, warm_of(environment, names), environment)
    await asyncio.to_thread(world.k2, "init")
    async with SchemaRegistry.connect(settings) as registry:
        ids = await apply_subjects(registry, names, contracts.topics().values())
    content.schema_id = told.schema_id = ids[names.subject(names.topic("market.crypto.trades.gold"))]
    try:
        await world.start(*STAGES, *SINKS)
        yield world
    finally:
        for agent in agents.values():
            await agent.end()
        world.warm.close()


def _agents(environment: Mapping[str, str], folder: Path) -> Iterator[tuple[str, SupervisedAgent]]:
    for service in (*STAGES, *SINKS):
        yield service, SupervisedAgent(service, 1, environment, folder)


def warm_of(environment: Mapping[str, str], names: Names) -> WarmTables:
    """The warm tier's tables, by a client of their owner's."""
    from k2_shared.core.settings import ClickHouseSettings

    fields = {name.lower(): value for name, value in environment.items()}
    known = ClickHouseSettings.model_fields
    return WarmTables(ClickHouseSettings.load(**{name: fields[name] for name in fields if name in known}), names)
