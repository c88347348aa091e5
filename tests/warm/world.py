"""A warm tier under load, with everything that a fault can reach, and the check that each table equals its topics."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.committed import CommittedRecords
from tests.contract.clickhouse.server import Embedded
from tests.faults.proxy import Proxy
from tests.faults.supervisor import SupervisedAgent, until
from tests.sinks_under_load import SinksUnderLoad
from tests.warm.content import Content
from tests.warm.load import Load
from tests.warm.oracle import Oracle
from tests.warm.verifier import Copies, verify, verify_copies

from k2_local import Stack
from k2_shared.core import contracts
from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_support.http_proxy import HttpProxy
from k2_support.topics import create_lasting
from k2_support.warm_tables import WarmTables

TABLES = contracts.warm_tables()
ARRIVAL_S = 300.0
_FAST = {
    "WARM_INTERVAL_S": "0.3",
    "WARM_MAX_ROWS": "400",
    "WARM_OUTLIVE_S": "1",
    "WARM_INSERT_ATTEMPTS": "1000",
    "CLICKHOUSE_TIMEOUT_S": "20",
    "KAFKA_REQUEST_TIMEOUT_MS": "6000",
}
_COPIES = """
SELECT kafka_topic, kafka_partition, kafka_offset, count(), uniqExact(cityHash64(toString(tuple(*)))),
    uniqExact(_partition_id)
FROM {table:Identifier} GROUP BY 1, 2, 3 HAVING count() > 1
"""


@dataclass
class World(SinksUnderLoad):
    """The sinks are behind a proxy before the server; the first is the one that is always up between faults."""

    settings: RunSettings
    names: Names
    stack: Stack
    server: Embedded
    proxy: HttpProxy
    tables: WarmTables
    sinks: list[SupervisedAgent]
    load: Load
    oracle: Oracle
    folder: Path
    rng: random.Random
    broker: Proxy
    has_own_disk: bool = False
    content: ClassVar[type[Content]] = Content

    async def mend(self) -> None:
        """Start the server and the sink if they are not there."""
        await self.server_up()
        await self.sink_up()

    async def server_up(self) -> None:
        """Start the server if it is not there, and wait until it answers."""
        if not self.server.is_running:
            await asyncio.to_thread(self.server.start)
        self.tables.close()
        await until(self._answers, "the server's answer")

    async def server_down(self) -> None:
        """Kill the server."""
        await asyncio.to_thread(self.server.kill)

    async def compared(self) -> list[str]:
        """What of the tables is not as their topics say, once everything has arrived."""
        return [line for table in TABLES for line in await asyncio.to_thread(self._compared, table)]

    async def arrived(self) -> None:
        """Wait until every record that there is now has its row."""
        await self.oracle.read_on()
        await until(lambda: asyncio.to_thread(self._all_there), "every row in every table", ARRIVAL_S)

    def places(self, table: str) -> set[tuple[str, int, int]]:
        """The places of a table's rows."""
        found = self.tables.ask(
            "SELECT kafka_topic, kafka_partition, kafka_offset FROM {table:Identifier}", table=table
        )
        return {(str(topic), partition, offset) for topic, partition, offset in found}

    def counted(self) -> int:
        """How many rows the tables have."""
        return sum(self.tables.count(table) for table in TABLES)

    @property
    def records(self) -> int:
        """How many rows the tables must have."""
        return sum(map(len, self.oracle.rows.values()))

    def _answers(self) -> bool:
        try:
            return self.tables.ask("SELECT 1") == [(1,)]
        except (Unavailable, ClickHouseError):
            self.tables.close()
            return False

    def _all_there(self) -> bool:
        return all(self.tables.count(table) >= len(self.oracle.rows[table]) for table in TABLES)

    def _compared(self, table: str) -> list[str]:
        said = verify(table, self.oracle.rows[table], self.tables.rows(table))
        return said + verify_copies(table, _copies(self.tables.ask(_COPIES, table=table)))


def _copies(found: Iterable[Iterable[object]]) -> list[Copies]:
    return [
        Copies((str(topic).encode(), partition, offset), rows, values, partitions)  # type: ignore[arg-type]
        for topic, partition, offset, rows, values, partitions in found
    ]


@asynccontextmanager
async def running(
    settings: RunSettings, stack: Stack, server: Embedded, folder: Path, seed: int, kind: type[World] = World
) -> AsyncIterator[World]:
    """A world of its own topics and tables, whose sink is up and under load; ``folder`` takes the logs."""
    schema_id = next(iter((await create_lasting(settings)).values()))
    names = Names(settings.k2_prefix)
    async with AsyncExitStack() as opened:
        proxy = opened.enter_context(HttpProxy(server.environment["CLICKHOUSE_URL"]).listening())
        tables = WarmTables(server.settings, names)
        opened.callback(tables.close)
        await asyncio.to_thread(tables.create)
        broker = await opened.enter_async_context(Proxy(_port(settings)).listening())
        sinks = _sinks(
            settings, server, {"CLICKHOUSE_URL": proxy.url, "KAFKA_BOOTSTRAP_SERVERS": broker.address}, folder
        )
        load = Load(settings, names, kind.content(seed, schema_id))
        oracle = Oracle(CommittedRecords(settings, names), schema_id)
        world = kind(
            settings, names, stack, server, proxy, tables, sinks, load, oracle, folder, random.Random(seed), broker
        )
        opened.push_async_callback(world.stop_sinks)
        await opened.enter_async_context(load.writing())
        await world.sink_up()
        yield world


def _port(settings: RunSettings) -> int:
    return int(settings.kafka_bootstrap_servers.rpartition(":")[2])


def _sinks(settings: RunSettings, server: Embedded, behind: Mapping[str, str], folder: Path) -> list[SupervisedAgent]:
    registry = {"SCHEMA_REGISTRY_URL": settings.schema_registry_url, "K2_PREFIX": settings.k2_prefix}
    environment = {**_FAST, **server.environment, **registry, **behind}
    folder = folder / (settings.k2_prefix.rstrip(".") or "run")
    return [SupervisedAgent("warm_sink", number, environment, folder) for number in range(2)]
