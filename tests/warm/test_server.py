"""The sink over a ClickHouse of its own that dies, freezes, and has too little memory."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.clickhouse.server import Embedded, serving

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

FAST = {"WARM_INTERVAL_S": "0.1", "WARM_MAX_ROWS": "7", "CLICKHOUSE_TIMEOUT_S": "10"}
READY_S = 120.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def tables(server: Embedded, names: Names) -> WarmTables:
    made = WarmTables(server.settings, names)
    made.create()
    return made


@pytest.fixture
def feeder(topics: dict[str, int], run_settings: RunSettings, names: Names) -> Feeder:
    return Feeder(run_settings, names, next(iter(topics.values())))


def start(agents: Agents, server: Embedded, **settings: str) -> Child:
    return agents.start("warm_sink", **{**FAST, **server.environment, **settings}).wait_ready(READY_S)


async def test_a_server_that_is_killed_and_started_again(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded
) -> None:
    """In the middle of inserts, twice: the sink waits, and every row is there once."""
    child = start(agents, server)
    for _ in range(2):
        await feeder.everything(20)
        server.kill()
        await feeder.everything(20)
        await eventually(lambda: any("attempt" in each for each in child.missing()), "an attempt that fails", 60)
        server.start()
        tables.close()
        await feeder.arrive(tables)
    assert child.exit_code is None
    assert child.stop() == 0


async def test_a_server_that_is_frozen_is_waited_for(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded
) -> None:
    """For longer than a query may take."""
    child = start(agents, server)
    server.child.signal(signal.SIGSTOP)
    await feeder.everything(5)
    await eventually(lambda: any("attempt" in each for each in child.missing()), "an attempt that fails", 60)
    server.child.signal(signal.SIGCONT)
    await feeder.arrive(tables)
    assert child.stop() == 0


async def test_a_server_without_memory_is_waited_for(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded
) -> None:
    """It says so; once it has some, all goes on."""
    child = start(agents, server, WARM_MAX_ROWS="1000")
    server.kill()
    server.limits = {"query_memory": 2_097_152}
    server.start()
    await feeder.deliveries([bytes(100_000)] * 100)
    await eventually(lambda: any("memory limit exceeded" in each for each in child.missing()), "what lacks", 90)
    server.kill()
    server.limits = {}
    server.start()
    tables.close()
    await feeder.arrive(tables)
    assert child.stop() == 0
