"""A lake under load, with everything that a fault can reach, and the check that each table has its topics' rows."""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import RESTError
from requests.exceptions import RequestException
from tests.committed import CommittedRecords
from tests.faults.proxy import Proxy
from tests.faults.supervisor import SupervisedAgent, until
from tests.lake.expected import Row, expected
from tests.lake.reading import TableReader
from tests.sinks_under_load import SinksUnderLoad
from tests.warm.content import Content
from tests.warm.load import Load
from tests.warm.oracle import by_fastavro

from k2_local import Stack
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.http_proxy import HttpProxy
from k2_support.topics import create_lasting

TABLES = contracts.tables()
ARRIVAL_S = 300.0
_SHOWN = 3
_FAST = {
    "SINK_INTERVAL_S": "0.5",
    "SINK_MAX_ROWS": "400",
    "SINK_OUTLIVE_S": "1",
    "SINK_COMMIT_ATTEMPTS": "1000",
    "SINK_SNAPSHOT_AGE_S": "5",
    "SINK_EXPIRE_INTERVAL_S": "5",
    "ICEBERG_TIMEOUT_S": "10",
    "KAFKA_REQUEST_TIMEOUT_MS": "6000",
}


@dataclass
class World(SinksUnderLoad):
    """The sinks are behind proxies before catalog, store and broker; the first is the one that is up between faults."""

    settings: RunSettings
    lake: LakeSettings
    names: Names
    stack: Stack
    before_catalog: HttpProxy
    before_store: HttpProxy
    broker: Proxy
    sinks: list[SupervisedAgent]
    load: Load
    committed: CommittedRecords
    schema_id: int
    folder: Path
    rng: random.Random
    disk: Path | None = None
    wanted: dict[str, Counter[Row]] = field(default_factory=dict)
    _readers: dict[str, TableReader] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many rows the tables must have."""
        return sum(each.total() for each in self.wanted.values())

    def any_table(self) -> str:
        """One of the tables that a batch always has rows for."""
        return self.rng.choice(["bronze_crypto_trades", "gold_crypto_trades", "silver_dlq_trades"])

    def catalog(self) -> Catalog:
        """A client of the catalog that passes no proxy."""
        return iceberg.connect(self.lake)

    def table(self, name: str) -> Any:
        """A table as it stands."""
        return self.catalog().load_table((iceberg.namespace(self.names), name))

    def partitions(self, name: str) -> list[TopicPartition]:
        """The partitions that a table is filled from."""
        return [at for topic in TABLES[name].topics for at in self.names.partitions(topic)]

    async def mend(self) -> None:
        """Start what is to be up and is not."""
        await asyncio.to_thread(self.stack.up)
        await self.sink_up()

    async def arrived(self) -> None:
        """Wait until the tables have as many rows as Kafka has records now."""
        await self.read_on()
        await until(lambda: asyncio.to_thread(self._all_there), "every row in every table", ARRIVAL_S)

    async def read_on(self) -> None:
        """Learn from Kafka what the tables must have."""
        schemas = by_fastavro(self.schema_id)
        for name, contract in TABLES.items():
            records = await self.committed.read_on(name, contract.topics)
            self.wanted.setdefault(name, Counter()).update(expected(contract, records, schemas))

    async def compared(self) -> list[str]:
        """What of the tables is not as their topics say, once everything has arrived."""
        return [line for name in TABLES for line in await asyncio.to_thread(self._compared, name)]

    def k2(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What an operator does, by the command line."""
        environment = {**os.environ, **self.stack.env(), "K2_PREFIX": self.settings.k2_prefix}
        command = [sys.executable, "-m", "k2", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def _all_there(self) -> bool:
        try:
            return all(iceberg.row_count(self.table(name)) >= self.wanted[name].total() for name in TABLES)
        except (RESTError, RequestException, OSError):
            return False

    def _compared(self, name: str) -> list[str]:
        reader = self._readers.setdefault(name, TableReader(TABLES[name]))
        found, wanted = reader.rows(self.table(name)), self.wanted[name]
        lacking, beyond = wanted - found, found - wanted
        return [*_said(name, "lacks", lacking), *_said(name, "has, and no record is there,", beyond)]


def _said(name: str, what: str, rows: Counter[Row]) -> list[str]:
    shown = "; ".join(f"{row[:6]}" for row in list(rows)[:_SHOWN])
    return [f"{name} {what} {rows.total()} rows: {shown}"] if rows else []


@asynccontextmanager
async def running(
    settings: RunSettings, stack: Stack, folder: Path, seed: int, disk: Path | None = None, **sink: str
) -> AsyncIterator[World]:
    """A world of its own topics and tables, whose sink is up and under load; ``folder`` takes the logs.

    ``sink`` is what its sinks are told beyond, or instead of, what all such worlds' are.
    """
    lake = LakeSettings.load(**{name.lower(): value for name, value in stack.env().items() if name in _of_the_lake()})
    schema_id = next(iter((await create_lasting(settings)).values()))
    names = Names(settings.k2_prefix)
    catalog = iceberg.connect(lake)
    for contract in TABLES.values():
        iceberg.create(catalog, names, contract)
    async with AsyncExitStack() as opened:
        before_catalog = opened.enter_context(HttpProxy(lake.iceberg_catalog_uri).listening())
        before_store = opened.enter_context(HttpProxy(lake.s3_endpoint).listening())
        broker_port = int(settings.kafka_bootstrap_servers.rpartition(":")[2])
        broker = await opened.enter_async_context(Proxy(broker_port).listening())
        behind = {
            "ICEBERG_CATALOG_URI": before_catalog.url,
            "S3_ENDPOINT": before_store.url,
            "KAFKA_BOOTSTRAP_SERVERS": broker.address,
        }
        if lake.iceberg_oauth2_server_uri:
            behind["ICEBERG_OAUTH2_SERVER_URI"] = f"{before_catalog.url}/v1/oauth/tokens"
        sinks = _sinks(settings, {**stack.env(), **behind, **sink}, folder)
        load = Load(settings, names, Content(seed, schema_id, days=2))
        committed = CommittedRecords(settings, names)
        world = World(
            settings, lake, names, stack, before_catalog, before_store, broker, sinks, load, committed, schema_id,
            folder, random.Random(seed), disk,
        )  # fmt: skip
        opened.push_async_callback(world.stop_sinks)
        await opened.enter_async_context(load.writing())
        await world.sink_up()
        await world.flow()
        await world.arrived()
        yield world


def _of_the_lake() -> set[str]:
    return {name.upper() for name in LakeSettings.model_fields}


def _sinks(settings: RunSettings, servers: Mapping[str, str], folder: Path) -> list[SupervisedAgent]:
    environment = {**_FAST, **servers, "K2_PREFIX": settings.k2_prefix}
    folder = folder / settings.k2_prefix.rstrip(".")
    return [SupervisedAgent("iceberg_sink", number, environment, folder) for number in range(2)]
