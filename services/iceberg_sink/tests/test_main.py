"""The sink on the real stack: as a process, and in this one where its reader has to fail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError

from iceberg_sink.rows import envelope
from iceberg_sink.settings import SinkSettings
from iceberg_sink.sink import LakeTableSink, SinkTable, limits
from k2_shared.core import contracts
from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.identities import identify
from k2_shared.kafka.topics import BRONZE, EXCHANGES, GOLD, Names, administration
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_shared.stages.row_batch import RowBatch, ToRows
from k2_support.plugin import Agents
from k2_support.topics import topics_of
from k2_support.waiting import eventually

pytestmark = pytest.mark.topics(*topics_of("iceberg_sink"))


async def test_what_was_read_is_committed_or_read_again(
    feeder: Any, agents: Agents, run_settings: RunSettings, names: Names, tables: Any
) -> None:
    """Stopped in the middle of a batch it exits 0; killed it exits at once; the next one leaves no hole, no double."""

    async def holds(count: int) -> None:
        def there() -> bool:
            return all(len(tables.column(name, column)) >= count for name, column in watched)

        await eventually(there, f"{count} rows", 90)

    watched = (("bronze_crypto_trades", "offset"), ("gold_crypto_trades", "trade_id"))
    await feeder.write(30)
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", SINK_MAX_ROWS="7").wait_ready()
    await holds(30)
    await feeder.write(50)
    assert child.stop() == 0
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", SINK_MAX_ROWS="7").wait_ready()
    await feeder.write(50)
    child.kill()
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready()
    await holds(130)
    assert child.stop() == 0
    assert tables.column("bronze_crypto_trades", "offset") == list(range(130))
    assert tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids)
    reader = clients.consumer(run_settings, group=names.group("iceberg_sink.gold_crypto_trades"))
    async with clients.started(reader, run_settings):
        at = clients.TopicPartition(names.topic(GOLD), 1)
        assert await reader.committed(at) == 130


async def test_a_stop_in_the_middle_of_an_interval_loses_nothing(feeder: Any, agents: Agents, tables: Any) -> None:
    """What had been collected is committed whole by the stop, or left whole to the next run."""
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="600").wait_ready()
    await feeder.write(10)
    assert child.stop() == 0
    found = tables.column("gold_crypto_trades", "trade_id")
    assert found in ([], sorted(feeder.ids))
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready()
    await eventually(lambda: tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids), "every row", 60)
    assert child.stop() == 0


async def test_a_table_recreated_between_two_runs_halts_with_3(feeder: Any, agents: Agents, tables: Any) -> None:
    """The group has offsets, the table has no state: going on would leave a hole, so the operator decides."""
    await feeder.write(3)
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready()
    await eventually(lambda: len(tables.column("gold_crypto_trades", "trade_id")) == 3, "the rows", 60)
    assert child.stop() == 0
    tables.catalog.drop_table((iceberg.namespace(tables.names), "gold_crypto_trades"))
    iceberg.create(tables.catalog, tables.names, contracts.tables()["gold_crypto_trades"])
    child = agents.start("iceberg_sink", SINK_OUTLIVE_S="0")
    await eventually(lambda: child.exit_code is not None, "the halt", 90)
    assert child.exit_code == 3
    assert "table gold_crypto_trades holds no state of this sink, yet group" in child.log.read_text()


@pytest.mark.long
async def test_two_sinks_on_one_table_lose_and_double_nothing(feeder: Any, agents: Agents, tables: Any) -> None:
    """Each is superseded now and then, on some of its partitions; every row is there once."""
    children = [agents.start("iceberg_sink", SINK_INTERVAL_S="0.1").wait_ready() for _ in range(2)]

    def met() -> bool:
        return any("table_sink_superseded" in child.log.read_text() for child in children)

    async def met_while_writing() -> bool:
        for partition in range(4):
            await feeder.write(5, partition=partition)
        return met()

    await eventually(met_while_writing, "a sink that finds the other one's commit", 90)
    written = len(feeder.ids)
    await eventually(lambda: len(tables.column("gold_crypto_trades", "trade_id")) >= written, "the rows", 90)
    assert [child.stop() for child in children] == [0, 0]
    assert tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids)


class Stumbling:
    """A consumer whose second read of records fails once: the first had already been handed over."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.reads = self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def getmany(self, **limits: Any) -> Any:
        if self.reads == 1 and not self.failures:
            self.failures += 1
            raise RequestTimedOutError
        found = await self._reader.getmany(**limits)
        self.reads += bool(found)
        return found


@pytest.fixture
async def sink_table(feeder: Any, run_settings: RunSettings, names: Names, tables: Any) -> SinkTable:
    """The bronze table with 30 records in each of two partitions that wait for it."""
    await feeder.write(30, partition=1)
    await feeder.write(30, partition=2)
    async with administration(run_settings) as admin:
        kafka_is = await identify(admin, [names.topic(BRONZE.format(exchange=e.lower())) for e in EXCHANGES])
    contract = contracts.tables()["bronze_crypto_trades"]
    table = LakeTable(tables.load(contract.name), "k2", kafka_is, at_table(5))
    return SinkTable(contract, table, envelope(table.arrow_schema), kafka_is)


async def _fill(sink: LakeTableSink, tables: Any, after: Callable[[], object] = lambda: True) -> None:
    await sink.start()
    try:
        await eventually(lambda: len(tables.column("bronze_crypto_trades", "offset")) >= 60, "60 rows", 120)
        await eventually(after, "what the test waits for besides")
    finally:
        await sink.stop()
    assert tables.column("bronze_crypto_trades", "offset") == sorted([*range(30), *range(30)])


async def test_records_that_were_read_before_a_failure_are_read_again(
    sink_table: SinkTable, run_settings: RunSettings, names: Names, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that fails in the middle of a batch drops what it had, and goes back to where the table is."""
    readers, make = list[Stumbling](), clients.consumer

    def stumbling(*of: Any, **options: Any) -> Stumbling:
        readers.append(Stumbling(make(*of, **options)))
        return readers[-1]

    monkeypatch.setattr(clients, "consumer", stumbling)
    settings = SinkSettings.load(k2_prefix=run_settings.k2_prefix, sink_interval_s=0.5)
    sink = LakeTableSink(settings, names, sink_table, Metrics("iceberg_sink", "0"))
    await _fill(sink, tables, after=lambda: any(reader.failures for reader in readers))
    assert [reader.failures for reader in readers] == [1]


async def test_a_batch_is_bounded_in_rows_and_bytes(
    sink_table: SinkTable, run_settings: RunSettings, names: Names, tables: Any
) -> None:
    """However much waits: more commits, and all of it."""
    bounds = {"sink_interval_s": 0.5, "sink_max_rows": 7, "sink_max_bytes": 65_536}
    settings = SinkSettings.load(k2_prefix=run_settings.k2_prefix, **bounds)
    sink = LakeTableSink(settings, names, sink_table, Metrics("iceberg_sink", "0"))
    assert RowBatch(count=6, bytes=65_535).has_capacity(limits(settings))
    assert not RowBatch(count=7).has_capacity(limits(settings))
    assert not RowBatch(bytes=65_536).has_capacity(limits(settings))
    await _fill(sink, tables)
    found = tables.load("bronze_crypto_trades").snapshots()
    added = [int(s.summary["added-records"]) for s in found]
    assert (sum(added), max(added)) == (60, 7)


class OvertakenTable(LakeTable):
    """A table that another owner moves on one partition, before its first commit."""

    def overtaken_by(self, other: LakeTable) -> ToRows:
        """How its sink makes rows, of which this table notes what the other will have committed."""
        self.other, self.mine, self.overtaken = other, list[Any](), 0

        def rows(found: Any) -> Any:
            self.mine += [record for record in found if record.partition == 1]
            return envelope(self.arrow_schema)(found)

        return rows

    def commit(self, batch: Commit) -> Any:
        if self.mine and not self.overtaken:
            self.overtaken += 1
            where = (self.mine[0].topic, 1)
            rows = envelope(self.other.arrow_schema)(self.mine)
            self.other.commit(Commit(rows, {where: 0}, {where: self.mine[-1].offset + 1}))
        return super().commit(batch)


async def test_a_sink_that_is_overtaken_on_one_partition_goes_on_with_the_others(
    sink_table: SinkTable, run_settings: RunSettings, names: Names, tables: Any
) -> None:
    """What it had read of partitions that nobody moved is read again; what the other wrote is not."""
    settings = SinkSettings.load(k2_prefix=run_settings.k2_prefix, sink_interval_s=0.5)
    table = OvertakenTable(tables.load("bronze_crypto_trades"), "k2", sink_table.kafka, at_table(5))
    rows = table.overtaken_by(sink_table.table)
    await _fill(
        LakeTableSink(settings, names, replace(sink_table, table=table, rows=rows), Metrics("iceberg_sink", "0")),
        tables,
    )
    assert table.overtaken == 1


@pytest.mark.usefixtures("topics")
async def test_a_missing_table_ends_it_with_2(agents: Agents) -> None:
    """It names the table and what creates it."""
    child = agents.start("iceberg_sink")
    await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 2
    assert "does not exist: run 'k2 init'" in child.log.read_text()
