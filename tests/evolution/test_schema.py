"""A field that the contract gains reaches registry, lake and warm tier by one command, beside records without it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.types import DoubleType, StringType
from tests.evolution.newer import COLD, MIGRATION, NewerVersion, newer_version

from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_support.lake_tables import lake_tables
from k2_support.plugin import Agents
from k2_support.records import encoded, fields, trade
from k2_support.topics import write
from k2_support.waiting import eventually
from k2_support.warm_fixtures import tables
from k2_support.warm_tables import WarmTables

__all__ = ["tables"]
FAST = {"SINK_INTERVAL_S": "0.2", "WARM_INTERVAL_S": "0.2", "SINK_OUTLIVE_S": "0", "WARM_OUTLIVE_S": "0"}
SAID = [(None, None), ("0.25", 7), ("", None), (None, -(2**63)), ("币", 2**63 - 1)]


@pytest.fixture
def newer(tmp_path: Path) -> NewerVersion:
    """The next version of K2."""
    return newer_version(tmp_path / "newer")


@pytest.fixture
def lake(names: Names) -> Iterator[Catalog]:
    """All tables of the lake, as this version makes them."""
    others = (*contracts.cold_tables().values(), *contracts.audit_tables().values())
    with lake_tables(names, *others) as catalog:
        yield catalog


def gold(catalog: Catalog, names: Names) -> Table:
    """The lake's table of gold, as it stands now."""
    return catalog.load_table((iceberg.namespace(names), "gold_crypto_trades"))


async def written(settings: RunSettings, names: Names, schema_id: int, schema: Any, first: int) -> None:
    """A trade for each of what fields may say, written to gold by a contract's schema."""
    records = []
    for number, (fee, maker) in enumerate(SAID, first):
        of = trade(trade_id=number)
        said = {**fields(of), "ingestion_timestamp": now_us(), "fee": fee, "maker_sequence": maker}
        records.append(Outgoing(GOLD, of.key, encoded(said, schema_id, schema), now_us() // 1_000, ()))
    await write(settings, names, records, 3)


def cut_short(newer: NewerVersion, lake: Catalog, names: Names) -> None:
    """Leave what a run leaves that is killed in its midst: a migration applied, and one column of one table added."""
    assert newer.k2(["migrate", "apply"], K2_PREFIX=names.prefix).returncode == 0
    with gold(lake, names).update_schema() as schema:
        schema.add_column("fee", StringType(), "what it cost")


async def newest(settings: RunSettings, names: Names) -> int:
    """The id of the last schema that was registered for gold."""
    subject = names.subject(names.topic(GOLD))
    async with SchemaRegistry.connect(settings) as registry:
        schema_id, _ = await registry.version(subject, (await registry.versions(subject))[-1])
    return schema_id


async def test_a_field_reaches_every_tier(
    newer: NewerVersion,
    lake: Catalog,
    tables: WarmTables,
    topics: dict[str, int],
    run_settings: RunSettings,
    names: Names,
    agents: Agents,
) -> None:
    """Where it was cut short the next run does the rest; the old version loses nothing, for it halts."""
    await written(run_settings, names, next(iter(topics.values())), contracts.trade_schema(), 1)
    planned = newer.k2(["schema", "plan", "--json"], K2_PREFIX=names.prefix)
    assert planned.returncode == 1, planned.stderr
    steps = [(step["where"], step["name"], step["change"]) for step in json.loads(planned.stdout)]
    trades = ("silver_binance_trades", "silver_kraken_trades", "gold_crypto_trades", COLD)
    assert steps[0] == ("ClickHouse", "migration", MIGRATION)
    lacking = [("column fee (string)", "column maker_sequence (long)")] * len(trades)
    assert {step[1:] for step in steps if step[0] == "Iceberg"} == {
        (table, change) for table, changes in zip(trades, lacking, strict=True) for change in changes
    }
    assert {step[1] for step in steps if step[0] == "registry"} == {
        names.subject(topic) for topic in map(names.topic, contracts.topics()) if names.contract(topic).schema
    }

    unasked = newer.k2(["schema", "apply"], K2_PREFIX=names.prefix)
    assert (unasked.returncode, "pass --yes" in unasked.stderr) == (2, True), unasked.stderr
    cut_short(newer, lake, names)
    rest = newer.k2(["schema", "plan", "--json"], K2_PREFIX=names.prefix)
    assert len(json.loads(rest.stdout)) == len(steps) - 2, rest.stderr
    done = newer.k2(["schema", "apply", "--yes"], K2_PREFIX=names.prefix)
    assert (done.returncode, "restart the sinks" in done.stderr) == (0, True), done.stderr
    again = newer.k2(["schema", "plan", "--json"], K2_PREFIX=names.prefix)
    assert (again.returncode, json.loads(again.stdout)) == (0, [])

    await written(run_settings, names, await newest(run_settings, names), newer.schema, 11)
    for service in ("iceberg_sink", "warm_sink"):
        old = agents.start(service, **FAST)
        await eventually(lambda old=old: old.exit_code is not None, "the old version's end")
        assert old.exit_code == 3, old.log_tail()
        assert "has fields that this version does not know (fee, maker_sequence)" in old.log_tail()
    for service in ("iceberg_sink", "warm_sink"):
        agents.start(service, **FAST, **newer.environment).wait_ready()
    await eventually(lambda: iceberg.row_count(gold(lake, names)) == 10, "every row of the lake")
    await eventually(lambda: tables.count("gold_trades") == 10, "every row of the warm tier")
    wanted = [(number, None, None) for number in range(1, 6)]
    wanted += [(number, fee, maker) for number, (fee, maker) in enumerate(SAID, 11)]
    rows = gold(lake, names).scan().to_arrow().sort_by("source_sequence").to_pylist()
    assert [(row["source_sequence"], row["fee"], row["maker_sequence"]) for row in rows] == wanted
    asked = "SELECT source_sequence, fee, maker_sequence FROM gold_trades FINAL ORDER BY source_sequence"
    assert [tuple(row) for row in tables.ask(asked)] == wanted


async def test_a_column_that_another_engine_added_is_taken_as_it_is(
    lake: Catalog, topics: dict[str, int], run_settings: RunSettings, names: Names, agents: Agents
) -> None:
    """Under a sink that runs, and at its next start: its rows say nothing of it."""
    (schema_id, *_) = topics.values()
    sink = agents.start("iceberg_sink", **FAST).wait_ready()
    await written(run_settings, names, schema_id, contracts.trade_schema(), 1)
    await eventually(lambda: iceberg.row_count(gold(lake, names)) == 5, "rows before it")
    with gold(lake, names).update_schema() as schema:
        schema.add_column("score", DoubleType())
    await written(run_settings, names, schema_id, contracts.trade_schema(), 11)
    await eventually(lambda: iceberg.row_count(gold(lake, names)) == 10, "rows after it")
    assert sink.stop() == 0
    agents.start("iceberg_sink", **FAST).wait_ready()
    await written(run_settings, names, schema_id, contracts.trade_schema(), 21)
    await eventually(lambda: iceberg.row_count(gold(lake, names)) == 15, "rows after a start")
    rows = gold(lake, names).scan().to_arrow()
    assert sorted(rows["source_sequence"].to_pylist()) == [*range(1, 6), *range(11, 16), *range(21, 26)]
    assert rows["score"].null_count == 15
