"""The sink as a process on the real stack."""

from collections.abc import Iterator
from typing import Any

import pytest

from k2_shared import contracts, kafka, lake
from k2_shared.records import Outgoing
from k2_shared.settings import LakeSettings, RunSettings
from k2_shared.testing.plugin import Agents
from k2_shared.testing.records import ORIGIN, trade, value
from k2_shared.testing.topics import write
from k2_shared.testing.waiting import eventually
from k2_shared.topics import BRONZE, GOLD, Names

BRONZE_TOPIC = BRONZE.format(exchange="kraken")


class Tables:
    """Every table of the contracts, under this test's prefix."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.catalog = lake.connect(LakeSettings.load())
        for contract in contracts.tables().values():
            lake.create(self.catalog, names, contract)

    def load(self, name: str) -> Any:
        return self.catalog.load_table((lake.namespace(self.names), name))

    def column(self, name: str, column: str) -> list[Any]:
        return sorted(self.load(name).scan(selected_fields=(column,)).to_arrow()[column].to_pylist())

    def drop(self) -> None:
        for name in contracts.tables():
            self.catalog.drop_table((lake.namespace(self.names), name))


@pytest.fixture
def tables(names: Names) -> Iterator[Tables]:
    made = Tables(names)
    yield made
    made.drop()


class Feeder:
    """Writes numbered trades to bronze and gold."""

    def __init__(self, settings: RunSettings, names: Names, schema_id: int) -> None:
        self._settings, self._names, self._schema_id = settings, names, schema_id
        self.ids: list[str] = []

    async def write(self, count: int) -> None:
        made = [trade(trade_id=len(self.ids) + n + 1) for n in range(count)]
        for topic in (BRONZE_TOPIC, GOLD):
            sent = [Outgoing(topic, t.key, value(t, self._schema_id), 1, (("k2-origin", ORIGIN.pack()),)) for t in made]
            await write(self._settings, self._names, sent, partition=1)
        self.ids += [str(t.trade_id) for t in made]


@pytest.fixture
def feeder(topics: dict[str, int], run_settings: RunSettings, names: Names) -> Feeder:
    return Feeder(run_settings, names, next(iter(topics.values())))


async def test_what_was_read_is_committed_or_read_again(
    feeder: Feeder, agents: Agents, run_settings: RunSettings, names: Names, tables: Tables
) -> None:
    """Stopped in the middle of a batch it exits 0; killed it exits at once; the next one leaves no hole, no double."""

    async def holds(count: int) -> None:
        def there() -> bool:
            return all(len(tables.column(name, column)) >= count for name, column in watched)

        await eventually(there, f"{count} rows", 90)

    watched = (("bronze_crypto_trades", "offset"), ("gold_crypto_trades", "trade_id"))
    await feeder.write(30)
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", SINK_MAX_ROWS="7").wait_ready(90)
    await holds(30)
    await feeder.write(50)
    assert child.stop() == 0
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", SINK_MAX_ROWS="7").wait_ready(90)
    await feeder.write(50)
    child.kill()
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready(90)
    await holds(130)
    assert child.stop() == 0
    assert tables.column("bronze_crypto_trades", "offset") == list(range(130))
    assert tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids)
    reader = kafka.consumer(run_settings, group=names.group("iceberg_sink.gold_crypto_trades"))
    async with kafka.started(reader, run_settings):
        at = kafka.TopicPartition(names.topic(GOLD), 1)
        assert await reader.committed(at) == 130


async def test_a_stop_in_the_middle_of_an_interval_loses_nothing(
    feeder: Feeder, agents: Agents, tables: Tables
) -> None:
    """What had been collected is committed whole by the stop, or left whole to the next run."""
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="600").wait_ready(90)
    await feeder.write(10)
    assert child.stop() == 0
    found = tables.column("gold_crypto_trades", "trade_id")
    assert found in ([], sorted(feeder.ids))
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready(90)
    await eventually(lambda: tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids), "every row", 60)
    assert child.stop() == 0


async def test_a_table_recreated_between_two_runs_halts_with_3(feeder: Feeder, agents: Agents, tables: Tables) -> None:
    """The group has offsets, the table has no state: going on would leave a hole, so the operator decides."""
    await feeder.write(3)
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready(90)
    await eventually(lambda: len(tables.column("gold_crypto_trades", "trade_id")) == 3, "the rows", 60)
    assert child.stop() == 0
    tables.catalog.drop_table((lake.namespace(tables.names), "gold_crypto_trades"))
    lake.create(tables.catalog, tables.names, contracts.tables()["gold_crypto_trades"])
    child = agents.start("iceberg_sink")
    await eventually(lambda: child.exit_code is not None, "the halt", 90)
    assert child.exit_code == 3
    assert "table gold_crypto_trades holds no state of this sink, yet group" in child.log.read_text()


@pytest.mark.usefixtures("topics")
async def test_a_missing_table_ends_it_with_2(agents: Agents) -> None:
    """It names the table and what creates it."""
    child = agents.start("iceberg_sink")
    await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 2
    assert "does not exist: run 'k2 init'" in child.log.read_text()
