"""The sink as a process: every table equals its topics, whatever happens to the sink and to what it reads."""

from collections.abc import Mapping
from urllib.request import urlopen

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions

from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import GOLD, Names, administration, create
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.ports import HOST
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

FAST = {"WARM_INTERVAL_S": "0.1", "WARM_MAX_ROWS": "7", "WARM_OUTLIVE_S": "1"}
_ROWS = 'k2_table_rows_total{table="gold_trades"} '
TABLES = contracts.warm_tables()


def start(agents: Agents, **settings: str) -> Child:
    return agents.start("warm_sink", **{**FAST, **settings}).wait_ready()


def inserted(child: Child) -> int:
    """How many rows a sink has inserted into the table of gold since its start."""
    with urlopen(f"http://{HOST}:{child.web_port}/metrics", timeout=60) as page:
        found = [each for each in page.read().decode().splitlines() if each.startswith(_ROWS)]
    return sum(int(float(each.removeprefix(_ROWS))) for each in found)


async def commit(settings: RunSettings, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set a group's offsets, as an operator would."""
    reader = clients.consumer(settings, group=group)
    async with clients.started(reader, settings):
        reader.assign(list(offsets))
        await reader.commit(dict(offsets))


async def test_every_table_equals_its_topics(feeder: Feeder, agents: Agents, tables: WarmTables) -> None:
    """To the place and the value, with what cannot be decoded, and letters that are none."""
    await feeder.everything(20)
    await feeder.deliveries([None, b"", b"\x00", b"{}", feeder.value(feeder.trade(1)) + b"\x00"])
    child = start(agents)
    await feeder.arrive(tables)
    await feeder.everything(20)
    await feeder.arrive(tables)
    assert tables.count("bronze_trades") == 6 * 20 + 5
    assert child.stop() == 0


@pytest.mark.long
async def test_a_sink_that_is_killed_leaves_no_hole_and_no_double(
    feeder: Feeder, agents: Agents, tables: WarmTables
) -> None:
    """In the middle of its inserts, again and again."""
    for _ in range(3):
        child = start(agents)
        await feeder.everything(30)
        child.kill()
    child = start(agents)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_two_sinks_change_nothing(feeder: Feeder, agents: Agents, tables: WarmTables) -> None:
    """Each inserts every row, and a reader finds it once."""
    children = [start(agents) for _ in range(2)]
    for _ in range(3):
        await feeder.everything(20)
    await feeder.arrive(tables)
    await eventually(lambda: [inserted(child) for child in children] == [180, 180], "every row from each", 60)
    assert [child.stop() for child in children] == [0, 0]


@pytest.mark.long
async def test_a_group_that_was_set_back_changes_nothing(
    feeder: Feeder, agents: Agents, tables: WarmTables, run_settings: RunSettings, names: Names
) -> None:
    """All is read and inserted again; what was ahead of the group stays as it is."""
    child = start(agents)
    await feeder.everything(20)
    await feeder.arrive(tables)
    assert child.stop() == 0
    for name, table in TABLES.items():
        partitions = [at for topic in table.topics for at in names.partitions(topic)]
        await commit(run_settings, names.warm_group(name), dict.fromkeys(partitions, 0))
    child = start(agents)
    await feeder.everything(1)
    await feeder.arrive(tables)
    await eventually(lambda: inserted(child) == 63, "every row once more", 60)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_table_that_was_emptied_is_filled_again(feeder: Feeder, agents: Agents, tables: WarmTables) -> None:
    """From Kafka, though the group had read it; the log says so."""
    child = start(agents)
    await feeder.everything(20)
    await feeder.arrive(tables)
    assert child.stop() == 0
    for table in TABLES:
        tables.command(f"TRUNCATE TABLE {table}")
    child = start(agents)
    await feeder.arrive(tables)
    assert child.log.read_text().count("warm_table_filled_again") >= len(TABLES)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_table_that_is_emptied_under_a_sink_is_filled_again(
    feeder: Feeder, agents: Agents, tables: WarmTables
) -> None:
    """Before the next insert, which would hide that rows lack."""
    child = start(agents)
    await feeder.everything(20)
    await feeder.arrive(tables)
    for table in TABLES:
        tables.command(f"TRUNCATE TABLE {table}")
    await feeder.everything(1)
    await feeder.arrive(tables)
    assert child.log.read_text().count("table_sink_superseded") >= len(TABLES)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_table_that_is_emptied_before_a_sinks_first_insert_is_filled_again(
    feeder: Feeder, agents: Agents, tables: WarmTables
) -> None:
    """What it had at the sink's start is gone, and the sink has inserted nothing yet by which it would know."""
    child = start(agents)
    await feeder.everything(20)
    await feeder.arrive(tables)
    assert child.stop() == 0
    child = start(agents)
    for table in (*TABLES, "candles"):
        tables.command(f"TRUNCATE TABLE {table}")
    await feeder.everything(1)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.parametrize("is_running", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_candles_that_were_emptied_are_made_again(
    feeder: Feeder, agents: Agents, tables: WarmTables, is_running: bool
) -> None:
    """From the first record of gold's topic; as of a version that has none. The trades stay as they are."""
    child = start(agents)
    await feeder.everything(20)
    await feeder.arrive(tables)
    if not is_running:
        assert child.stop() == 0
    tables.command("TRUNCATE TABLE candles")
    tables.command("TRUNCATE TABLE missing_ids")
    if not is_running:
        child = start(agents)
    await feeder.everything(3)
    await feeder.arrive(tables)
    again = [line for line in child.log.read_text().splitlines() if "warm_table_filled_again" in line]
    assert again
    assert all("candles" in line for line in again)
    assert child.stop() == 0


async def test_the_marker_of_a_transaction_is_no_row_that_lacks(
    agents: Agents, feeder: Feeder, tables: WarmTables, run_settings: RunSettings, names: Names
) -> None:
    """The group's offset is behind it, and the table ends before it."""
    producer = clients.producer(run_settings, transactional_id=names.transactional_id("test", GOLD, 1))
    async with clients.started(producer, run_settings), producer.transaction():
        await producer.send(names.topic(GOLD), feeder.value(feeder.trade(1)), key=b"k", partition=1)
    child = start(agents)
    await feeder.arrive(tables)
    await commit(run_settings, names.warm_group("gold_trades"), {TopicPartition(names.topic(GOLD), 1): 2})
    child.kill()
    child = start(agents)
    assert "warm_table_filled_again" not in child.log.read_text()
    assert child.stop() == 0


async def test_a_batch_may_span_more_days_than_a_block_by_default(
    feeder: Feeder, agents: Agents, tables: WarmTables
) -> None:
    """As of a backfill: each is a part on the server's disk."""
    await feeder.trades(250, days_apart=20)
    child = start(agents, WARM_MAX_ROWS="50000")
    await feeder.arrive(tables)
    assert tables.ask("SELECT uniqExact(toDate(timestamp)) FROM gold_trades FINAL") == [(250,)]
    assert child.stop() == 0


async def ended(child: Child, said: str) -> None:
    """The sink ends with 3 and says why and what to do in its last line."""
    await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 3
    lines = [each for each in child.log.read_text().splitlines() if each.startswith("warm_sink: ")]
    assert said in lines[-1]


async def recreate(settings: RunSettings, names: Names, topic: str) -> None:
    async with administration(settings) as admin:
        await admin.delete_topics([names.topic(topic)])

        async def is_gone() -> bool:
            (found,) = await admin.describe_topics([names.topic(topic)])
            return bool(found["error_code"])

        await eventually(is_gone, "the deletion")
        await create(admin, names, [contracts.topics()[topic]], 1)


@pytest.mark.parametrize("is_running", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_a_topic_that_was_made_anew_halts(
    feeder: Feeder, agents: Agents, tables: WarmTables, run_settings: RunSettings, names: Names, is_running: bool
) -> None:
    """Under a running sink, and between two runs: a place in it means another record."""
    child = start(agents)
    await feeder.everything(5)
    await feeder.arrive(tables)
    if not is_running:
        assert child.stop() == 0
    rows = tables.rows("gold_trades")
    await recreate(run_settings, names, GOLD)
    if not is_running:
        child = agents.start("warm_sink", **FAST)
    await ended(child, f"topic {names.topic(GOLD)} was created anew")
    assert tables.rows("gold_trades") == rows
    await ended(agents.start("warm_sink", **FAST), "begin another database (CLICKHOUSE_DATABASE), or delete")


@pytest.mark.long
async def test_a_topic_that_gets_more_partitions_halts(
    agents: Agents, tables: WarmTables, topics: dict[str, int], run_settings: RunSettings, names: Names
) -> None:
    """Its keys go to other partitions from now on."""
    child = start(agents)
    async with administration(run_settings) as admin:
        await admin.create_partitions({names.topic(GOLD): NewPartitions(13)})
    await ended(child, f"topic {names.topic(GOLD)} has 13 partitions, its contract says 12")


async def test_a_missing_table_ends_it_with_2(agents: Agents, tables: WarmTables, topics: dict[str, int]) -> None:
    """It names what makes it."""
    tables.command("DROP TABLE gold_trades SYNC")
    child = agents.start("warm_sink", **FAST)
    await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 2
    assert "run 'k2 migrate apply'" in child.log.read_text()
