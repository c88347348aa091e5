"""The warm tier as the demo reads it, on the real servers: what the sink wrote is exact, and a change is named."""

import asyncio
from dataclasses import dataclass

import pytest

from k2.demo.warm import Freshness, WarmTier
from k2_shared.core import contracts
from k2_shared.core.settings import ClickHouseReaderSettings, ClickHouseSettings, RunSettings
from k2_shared.kafka.topics import Names
from k2_support.plugin import Agents
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

TRADES = 30


@dataclass
class Filled:
    """Tables that a sink has filled and left, and who may only read them."""

    tables: WarmTables
    feeder: Feeder
    kafka: RunSettings
    reader: ClickHouseSettings
    names: Names

    @property
    def tier(self) -> WarmTier:
        return WarmTier(self.kafka, self.reader, self.names)


@pytest.fixture
async def filled(feeder: Feeder, run_settings: RunSettings, names: Names, tables: WarmTables, agents: Agents) -> Filled:
    await feeder.everything(10)
    sink = agents.start("warm_sink").wait_ready()
    await feeder.arrive(tables)
    sink.stop()
    return Filled(tables, feeder, run_settings, ClickHouseReaderSettings.load().as_reader(), names)


async def test_what_the_sink_wrote_is_exact(filled: Filled) -> None:
    """Every table, by who may only read."""
    found = await asyncio.to_thread(filled.tier.read)
    assert set(found) == set(contracts.warm_tables())
    assert [name for name, rows in found.items() if not rows.is_exact] == []
    assert {name: rows.rows for name, rows in found.items()} == await asyncio.to_thread(filled.tier.counts)
    assert found["gold_trades"].ids.total() == found["gold_trades"].records == TRADES


async def test_a_change_in_a_table_is_named(filled: Filled) -> None:
    """Another price, a row that lacks, and a row that no record has."""
    topic = filled.names.topic("market.crypto.trades.gold")
    filled.tables.command("ALTER TABLE gold_trades UPDATE price = 7.5 WHERE trade_id = '1' SETTINGS mutations_sync = 1")
    filled.tables.command("ALTER TABLE gaps DELETE WHERE first_id = 1 SETTINGS mutations_sync = 1")
    filled.tables.command(
        "INSERT INTO raw_trades SELECT * REPLACE (toInt64(900) AS kafka_offset) FROM raw_trades "
        """WHERE frame = '{"trade_id": 1}'"""
    )
    found = await asyncio.to_thread(filled.tier.read)
    (unlike,), (missing,), (excess,) = found["gold_trades"].unlike, found["gaps"].missing, found["raw_trades"].excess
    assert unlike.startswith(f"KRAKEN:ETH/USDT:1 at {topic}[0]@0 has price 7.5")
    assert missing.startswith("KRAKEN:BTC/USDT:1 to 3 ")
    assert excess.endswith("[0]@900")
    assert [name for name, rows in found.items() if not rows.is_exact] == ["gaps", "gold_trades", "raw_trades"]


async def test_every_gold_trade_has_one_age(filled: Filled, agents: Agents) -> None:
    """Also where days of exchange time arrive at once, and while more come."""
    freshness = Freshness(filled.reader, filled.names)
    asking = asyncio.create_task(freshness.run())
    await eventually(lambda: len(freshness.ages_ms) == TRADES, "the ages of what stands")
    agents.start("warm_sink").wait_ready()
    for _ in range(3):
        await filled.feeder.trades(20, days_apart=2)
    await filled.feeder.arrive(filled.tables)
    await eventually(lambda: len(freshness.ages_ms) == TRADES + 60, "every age")
    freshness.look()
    asking.cancel()
    assert len(freshness.ages_ms) == TRADES + 60
    assert min(freshness.ages_ms) > 0
