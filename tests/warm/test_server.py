"""The sink over a ClickHouse of its own that dies, freezes, and takes too little at once."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.clickhouse.server import Embedded, serving

from k2_shared.kafka.topics import BRONZE, Names
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

FAST = {
    "WARM_INTERVAL_S": "0.1",
    "WARM_MAX_ROWS": "7",
    "WARM_OUTLIVE_S": "1",
    "CLICKHOUSE_TIMEOUT_S": "10",
}
READY_S = 120.0
MIB = 1_048_576


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def tables(server: Embedded, names: Names) -> WarmTables:
    made = WarmTables(server.settings, names)
    made.create()
    return made


def large(count: int) -> list[bytes | None]:
    """So many deliveries of 100 kB that no compression makes smaller."""
    rng = random.Random(7)
    return [rng.randbytes(100_000) for _ in range(count)]


def start(agents: Agents, server: Embedded, **settings: str) -> Child:
    return agents.start("warm_sink", **{**FAST, **server.environment, **settings}).wait_ready(READY_S)


@pytest.mark.long
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


@pytest.mark.long
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


def limit(server: Embedded, tables: WarmTables, **limits: float) -> None:
    """Start the server again with other limits."""
    server.kill()
    server.limits = limits
    server.start()
    tables.close()


@pytest.mark.long
async def test_a_server_without_memory_is_waited_for(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded
) -> None:
    """Not even for a row; it says so, and once it has some, all goes on."""
    child = start(agents, server, WARM_MAX_ROWS="1000")
    limit(server, tables, query_memory=2 * MIB)
    await feeder.deliveries(large(100))
    await eventually(lambda: any("memory limit exceeded" in each for each in child.missing()), "what lacks", 90)
    limit(server, tables)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
@pytest.mark.parametrize("limits", [{"query_memory": 8 * MIB}, {"body": 400_000}])
async def test_a_batch_that_is_always_refused_is_made_smaller(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded, limits: dict[str, float]
) -> None:
    """For want of memory, or as too large a request: by halves, and every row is there once."""
    limit(server, tables, **limits)
    await feeder.deliveries(large(60))
    child = start(agents, server, WARM_MAX_ROWS="1000", WARM_INTERVAL_S="3", WARM_INSERT_ATTEMPTS="3")
    await eventually(lambda: tables.count("bronze_trades") == 60, "every row", 90)
    assert "warm_insert_halved" in child.log.read_text()
    assert child.stop() == 0
    limit(server, tables)
    await feeder.arrive(tables)


async def test_a_row_that_is_always_refused_is_named(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: Embedded, names: Names
) -> None:
    """Once all attempts at it alone have failed; the rows before it stand."""
    limit(server, tables, body=60_000)
    await feeder.deliveries([b"small", *large(1), b"small"])
    child = agents.start("warm_sink", **{**FAST, **server.environment, "WARM_INSERT_ATTEMPTS": "3"})
    await eventually(lambda: child.exit_code is not None, "the end", READY_S)
    assert child.exit_code == 4
    topic = names.topic(BRONZE.format(exchange="kraken"))
    said = f"bronze_trades could not be written in 3 attempts (the row of kafka_topic {topic}, "
    assert f"{said}kafka_partition 1, kafka_offset 1, 100," in child.log.read_text()
    assert tables.count("bronze_trades") == 1
