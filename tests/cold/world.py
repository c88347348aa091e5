"""Two tiers and what a fault can reach of them, and the check that both are as the log says."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.cold.comparison import unlike
from tests.cold.content import HOURS, Content
from tests.faults.supervisor import SupervisedAgent

from k2_local import Stack
from k2_shared.cold.tables import cold_tables
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import ClickHouseSettings, RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.http_proxy import HttpProxy
from k2_support.topics import create_lasting
from k2_support.warm_tables import WarmTables
from offload.adapters import ColdTables
from offload.settings import OffloadSettings

PATIENCE_S = 900.0
_COMMAND_S = 1_200  # every hour of nine tables, on a machine that others use, too
_FIRST = 300
_MORE = 40


@dataclass
class World:
    """The agent and the commands of ``behind`` are behind proxies before catalog, store and ClickHouse."""

    settings: RunSettings
    stack: Stack
    names: Names
    warm: WarmTables
    content: Content
    before_catalog: HttpProxy
    before_store: HttpProxy
    before_clickhouse: HttpProxy
    environment: Mapping[str, str]
    behind: Mapping[str, str]
    agent: SupervisedAgent
    rng: random.Random

    @property
    def records(self) -> int:
        """How many rows the cold tables must have."""
        return self.content.rows

    async def mend(self) -> None:
        """Start the servers that do not run; the agent runs in its faults alone."""
        await self.agent.end()
        await asyncio.to_thread(self.stack.up)
        self.warm.close()

    async def start_agent(self) -> None:
        """Start the agent anew: one that runs from another fault is ended."""
        await self.agent.end()
        self.agent.start()

    async def settle(self) -> list[str]:
        """Offload what is to be offloaded, and compare all; what is not equal, or nothing."""
        return await asyncio.to_thread(self._settled)

    def _settled(self) -> list[str]:
        done = self.k2("offload", "run")
        said = [] if done.returncode == 0 else [f"k2 offload run: exit {done.returncode}: {done.stderr[-500:]}"]
        return said + self.differing()

    def differing(self) -> list[str]:
        """What both tiers, or cold and the log, do not say alike."""
        done = self.k2("consistency", "--json")
        if not done.stdout:
            return [f"k2 consistency: exit {done.returncode}: {done.stderr[-500:]}"]
        rows = json.loads(done.stdout)["rows"]
        said = [f"{row['layer']} differs: {row['differing'][:2]}" for row in rows if not row["equal"]]
        said += [
            f"{row['layer']} was not compared: {row['expiring'] + row['open']}" for row in rows if not row["hours"]
        ]
        return [*said, *([] if len(rows) == len(cold_tables()) else ["rows lack"]), *self.unlike()]

    def unlike(self) -> list[str]:
        """What cold and the log do not say alike."""
        return unlike(self.catalog(), self.names, self.content)

    def catalog(self) -> Any:
        """A client of the catalog that passes no proxy."""
        return iceberg.connect(LakeSettings.load(**_fields(LakeSettings, self.environment)))

    def snapshots(self) -> dict[str, int | None]:
        """The current snapshot of each cold table."""
        catalog = self.catalog()
        tables = {name: iceberg.find(catalog, self.names, each) for name, each in cold_tables().items()}
        return {name: table.metadata.current_snapshot_id if table else None for name, table in tables.items()}

    def deliver(self, count: int = _MORE, hours: Sequence[datetime] = ()) -> None:
        """Trades come into the warm tier, of these hours or of any three: each hour of nine tables is one commit."""
        self.put(self.content.deliver(count, hours or self.rng.sample(HOURS, 3)))

    def fill_again(self) -> None:
        """The warm tier gets all that it ever got, as its sink does from Kafka."""
        self.put(self.content.told)

    def put(self, rows: Mapping[str, list[dict[str, Any]]]) -> None:
        """Insert rows by the table of ClickHouse."""
        for name, each in rows.items():
            if each and name == "candles":
                columns = list(each[0])
                self.warm.client.insert(name, [[row[column] for column in columns] for row in each], columns)
            elif each:
                schema = iceberg.schema_of(cold_tables()[name]).as_arrow()
                self.warm.client.insert_arrow(name, pa.Table.from_pylist(each, schema=schema))

    def k2(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command as an operator gives it, which passes no proxy."""
        command = [sys.executable, "-m", "k2", *words]
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=_COMMAND_S
        )

    def k2_behind(self, *words: str) -> "subprocess.Popen[str]":
        """A command that is under way, behind the proxies."""
        environment = {**os.environ, **self.environment, **self.behind}
        return subprocess.Popen(
            [sys.executable, "-m", "k2", *words],
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def tables_at(self, now: datetime) -> ColdTables:
        """The agent's work in this process, at another time."""
        settings = OffloadSettings.load(**_fields(OffloadSettings, self.environment))
        return ColdTables(settings, Metrics("offload", "0"), lambda: now)


def _fields(settings: Any, environment: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in environment.items() if name.lower() in settings.model_fields}


@asynccontextmanager
async def running(settings: RunSettings, stack: Stack, folder: Path, seed: int) -> AsyncIterator[World]:
    """A world of its own tables, some trades in its warm tier, nothing offloaded; ``folder`` takes the logs."""
    await create_lasting(settings)
    with _world(settings, stack, folder, seed) as world:
        world.deliver(_FIRST, HOURS)
        try:
            yield world
        finally:
            await world.agent.end()


@contextmanager
def _world(settings: RunSettings, stack: Stack, folder: Path, seed: int) -> Iterator[World]:
    names, servers = Names(settings.k2_prefix), {**stack.env(), "K2_PREFIX": settings.k2_prefix}
    lake = LakeSettings.load(**_fields(LakeSettings, servers))
    warm = WarmTables(ClickHouseSettings.load(**_fields(ClickHouseSettings, servers)), names)
    warm.create()
    catalog = iceberg.connect(lake)
    for contract in cold_tables().values():
        iceberg.create(catalog, names, contract)
    with ExitStack() as opened:
        proxies = [
            opened.enter_context(HttpProxy(url).listening())
            for url in (lake.iceberg_catalog_uri, lake.s3_endpoint, servers["CLICKHOUSE_URL"])
        ]
        behind = {
            "ICEBERG_CATALOG_URI": proxies[0].url,
            "S3_ENDPOINT": proxies[1].url,
            "CLICKHOUSE_URL": proxies[2].url,
            "OFFLOAD_RETRY_S": "1",
            "ICEBERG_TIMEOUT_S": "10",
        }
        if lake.iceberg_oauth2_server_uri:
            behind["ICEBERG_OAUTH2_SERVER_URI"] = f"{proxies[0].url}/v1/oauth/tokens"
        agent = SupervisedAgent("offload", 0, {**servers, **behind}, folder / settings.k2_prefix.rstrip("."))
        rng = random.Random(seed)
        yield World(settings, stack, names, warm, Content(rng), *proxies, servers, behind, agent, rng)
