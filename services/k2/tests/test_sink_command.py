"""``k2 sink`` and ``k2 lake`` as an operator uses them, on real tables and the real broker."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from pyiceberg.catalog import Catalog
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import DLQ, GOLD, Names, administration
from k2_shared.lake import iceberg
from k2_shared.lake.sink_state import SinkState
from k2_shared.lake.transaction import append
from k2_support.lake_tables import lake_tables
from k2_support.plugin import Agents
from k2_support.records import trade, value
from k2_support.topics import topics_of, write
from k2_support.waiting import eventually

K2 = Callable[..., Awaitable[Result]]
pytestmark = pytest.mark.topics(*topics_of("iceberg_sink"))
TABLE = "gold_crypto_trades"


class Lake:
    """The tables of this test's prefix, and the sink that fills them."""

    def __init__(self, settings: RunSettings, names: Names, catalog: Catalog, agents: Agents, schema_id: int) -> None:
        self.settings, self.names, self._agents, self._schema_id = settings, names, agents, schema_id
        self.catalog = catalog
        self.sent = 0

    @property
    def at(self) -> tuple[str, int]:
        return self.names.topic(GOLD), 1

    def load(self, table: str = TABLE) -> Any:
        return self.catalog.load_table((iceberg.namespace(self.names), table))

    def ids(self) -> list[int]:
        found = self.load().scan(selected_fields=("trade_id",)).to_arrow()
        return sorted(map(int, found["trade_id"].to_pylist()))

    async def send(self, count: int) -> None:
        """Write numbered trades to gold's partition 1."""
        made = [trade(trade_id=self.sent + number) for number in range(1, count + 1)]
        sent = [Outgoing(GOLD, t.key, value(t, self._schema_id), 1, ()) for t in made]
        await write(self.settings, self.names, sent, 1)
        self.sent += count

    async def fill(self, ids: list[int], **settings: str) -> None:
        """Run the sink until gold has these trades."""
        child = self._agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", **settings).wait_ready(120)
        await eventually(lambda: self.ids() == ids, "the rows", 90)
        assert child.stop() == 0

    def state(self) -> SinkState:
        found = SinkState.from_properties(self.load().properties, "k2")
        assert found is not None
        return found

    def change(self, **changes: Any) -> None:
        """Write another state in a snapshot and in the properties, as the sink itself would have."""
        append(self.load(), (), replace(self.state(), **changes).to_properties("k2"))


@pytest.fixture
def lake(topics: dict[str, int], run_settings: RunSettings, names: Names, agents: Agents) -> Iterator[Lake]:
    with lake_tables(names) as catalog:
        yield Lake(run_settings, names, catalog, agents, topics[names.subject(names.topic(GOLD))])


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run ``k2`` on this test's prefix."""

    async def invoke(words: str, code: int = 0) -> Result:
        env = {"K2_PREFIX": run_settings.k2_prefix}
        result = await asyncio.to_thread(CliRunner().invoke, app, words.split(), env=env)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


async def shown(k2: K2, table: str = TABLE, code: int = 0) -> dict[str, Any]:
    (found,) = json.loads((await k2(f"sink status {table} --json", code=code)).stdout)
    return dict(found)


async def test_it_says_how_far_every_table_is(lake: Lake, k2: K2) -> None:
    """By the table, by its group and by Kafka; what is behind is what the table has not."""
    await lake.send(10)
    (*others, gold) = sorted(
        json.loads((await k2("sink status --json")).stdout), key=lambda each: each["name"] == TABLE
    )
    assert {each["name"] for each in others} | {TABLE} == set(contracts.tables())
    assert (gold["rows"], gold["snapshot"], gold["behind"], gold["halt"]) == (0, None, 10, "")
    await lake.fill(list(range(1, 11)))
    await lake.send(3)
    found = await shown(k2)
    assert (found["rows"], found["behind"]) == (10, 3)
    assert found["snapshot"] == lake.load().current_snapshot().snapshot_id
    assert found["age_s"] >= 0
    (one,) = [each for each in found["partitions"] if each["end"]]
    assert (one["table_offset"], one["committed"], one["start"], one["end"]) == (10, 10, 0, 13)
    said = (await k2(f"sink status {TABLE}")).stdout
    assert "goes on" in said
    assert lake.names.topic(GOLD) in said


async def test_a_rolled_back_table_goes_on_from_its_rows(lake: Lake, k2: K2) -> None:
    """The rows that were rolled back are read again; a dry run says so and changes nothing."""
    await lake.send(5)
    await lake.fill([1, 2, 3, 4, 5])
    first = lake.load().current_snapshot().snapshot_id
    await lake.send(5)
    await lake.fill(list(range(1, 11)))
    lake.load().manage_snapshots().rollback_to_snapshot(first).commit()
    assert "rolled back or changed by hand" in (await shown(k2, code=1))["halt"]
    location = lake.load().metadata_location
    tried = await k2(f"sink resolve {TABLE} --dry-run")
    assert "what comes after is read again" in tried.stdout
    assert "nothing was changed" in tried.stderr
    assert lake.load().metadata_location == location
    assert (await k2(f"sink resolve {TABLE}")).stdout == tried.stdout
    assert (await shown(k2))["behind"] == 5
    said = lake.load().current_snapshot().summary.additional_properties["sink.k2.resolved"]
    assert said == tried.stdout.strip()
    await lake.fill(list(range(1, 11)))


@pytest.mark.long
async def test_what_kafka_has_lost_is_named_and_left_out(lake: Lake, k2: K2) -> None:
    """The sink begins where Kafka does now."""
    await lake.send(2)
    await lake.fill([1, 2])
    await lake.send(8)
    async with administration(lake.settings) as admin:
        await admin.delete_records({TopicPartition(*lake.at): RecordsToDelete(before_offset=6)})
    assert "starts at 6, the table needs 2: 4 are lost" in (await shown(k2, code=1))["halt"]
    assert "goes on at 6: offsets 2 to 5 are lost" in (await k2(f"sink resolve {TABLE}")).stdout
    await lake.fill([1, 2, 7, 8, 9, 10])


async def test_a_recreated_table_is_filled_anew(lake: Lake, k2: K2) -> None:
    """Its group's offsets in Kafka hold nothing up any more."""
    await lake.send(4)
    await lake.fill([1, 2, 3, 4])
    lake.catalog.drop_table((iceberg.namespace(lake.names), TABLE))
    iceberg.create(lake.catalog, lake.names, contracts.tables()[TABLE])
    assert "it was recreated" in (await shown(k2, code=1))["halt"]
    await k2(f"sink resolve {TABLE}")
    await lake.fill([1, 2, 3, 4])


@pytest.mark.long
async def test_another_cluster_or_topic_is_a_persons_to_judge(lake: Lake, k2: K2) -> None:
    """Without a word of what the offsets mean the command refuses, and says which words there are."""
    await lake.send(4)
    await lake.fill([1, 2, 3, 4])
    topic, known = lake.names.topic(GOLD), lake.state()
    for changes, said in (
        ({"cluster_id": "other"}, "fed from cluster other"),
        ({"topic_ids": {topic: "x"}}, "created anew"),
    ):
        lake.change(**changes)
        await shown(k2, code=1)
        refused = await k2(f"sink resolve {TABLE}", code=2)
        assert said in refused.stderr
        assert "--offsets keep" in refused.stderr
        await k2(f"sink resolve {TABLE} --offsets keep")
        assert (await shown(k2))["behind"] == 0
        assert replace(lake.state(), commit_id="") == replace(known, commit_id="")
    lake.change(topic_ids={topic: "x"})
    await k2(f"sink resolve {TABLE} --offsets drop")
    assert (await shown(k2))["behind"] == 4


async def test_a_topic_that_was_cut_short_halts_until_it_is_resolved(lake: Lake, k2: K2) -> None:
    """The table has more than Kafka, as after a loss of a broker's disk."""
    await lake.send(4)
    await lake.fill([1, 2, 3, 4])
    lake.change(offsets={lake.at: 9})
    assert "ends at 4, the table has all up to 9" in (await shown(k2, code=1))["halt"]
    assert "offsets 4 to 8 will be other records" in (await k2(f"sink resolve {TABLE}")).stdout
    await lake.send(2)
    await lake.fill([1, 2, 3, 4, 5, 6])


async def test_nothing_to_resolve_changes_nothing(lake: Lake, k2: K2) -> None:
    """A table that is well stays as it is; one that is not there, and one that nobody knows, are named."""
    location = lake.load().metadata_location
    assert "needs nothing" in (await k2(f"sink resolve {TABLE}")).stderr
    assert lake.load().metadata_location == location
    assert "there is no table 'gold'" in (await k2("sink resolve gold", code=2)).stderr
    assert (
        "--offsets is keep or drop, not 'maybe'" in (await k2(f"sink resolve {TABLE} --offsets maybe", code=2)).stderr
    )
    lake.catalog.drop_table((iceberg.namespace(lake.names), TABLE))
    assert (await shown(k2, code=1))["halt"] == "it does not exist: run 'k2 init'"
    assert f"table {TABLE} does not exist" in (await k2(f"sink resolve {TABLE}", code=2)).stderr
    iceberg.create(lake.catalog, lake.names, contracts.tables()[TABLE])


async def test_a_reset_begins_again_from_what_kafka_has(lake: Lake, k2: K2) -> None:
    """A dry run says what would go; it asks before it deletes; then every table is filled anew."""
    await lake.send(4)
    await lake.fill([1, 2, 3, 4])
    tried = await k2("lake reset --dry-run")
    group = lake.names.table_group(TABLE)
    assert f"{TABLE} (4 rows), and the offsets of group {group}\n" in tried.stdout
    assert lake.ids() == [1, 2, 3, 4]
    assert "pass --yes" in (await k2("lake reset", code=2)).stderr
    uuid = lake.load().metadata.table_uuid
    await k2("lake reset --yes")
    assert lake.ids() == []
    assert lake.load().metadata.table_uuid != uuid
    reader = clients.consumer(lake.settings, group=group)
    async with clients.started(reader, lake.settings):
        assert await reader.committed(TopicPartition(*lake.at)) is None
    assert (await shown(k2, "silver_dlq_trades"))["partitions"][0]["topic"] == lake.names.topic(DLQ)
    await lake.fill([1, 2, 3, 4])
