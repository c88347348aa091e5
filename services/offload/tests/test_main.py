"""The offload on the real stack, as a process."""

import json
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from k2_shared.kafka.topics import Names
from k2_support.children import Child
from k2_support.cold_tiers import HOUR, ROWS, ColdTiers, cold_tiers
from k2_support.plugin import Agents
from k2_support.waiting import wait_for

EVERY_SECOND = dict.fromkeys(
    ("OFFLOAD_RAW_SCHEDULE", "OFFLOAD_BRONZE_SCHEDULE", "OFFLOAD_SILVER_SCHEDULE", "OFFLOAD_CANDLES_SCHEDULE"),
    "* * * * *",
)
TABLES = ("raw_trades", "bronze_trades", "silver_trades", "gold_ohlcv_1m")


@pytest.fixture
def tiers(names: Names) -> Iterator[ColdTiers]:
    """Nothing is offloaded yet."""
    with cold_tiers(names) as made:
        yield made


def gauge(child: Child, name: str, table: str, verdict: str | None = None) -> float | None:
    """What the process says of a table now; None where it says nothing."""
    child.check()
    with urlopen(f"http://127.0.0.1:{child.web_port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    wanted = {"table": table} | ({"verdict": verdict} if verdict else {})
    samples = (sample for family in families for sample in family.samples if sample.name == f"k2_{name}")
    return next((sample.value for sample in samples if wanted.items() <= sample.labels.items()), None)


def hours(child: Child, table: str, verdict: str) -> float | None:
    return gauge(child, "offload_hours", table, verdict)


def test_a_start_offloads_every_table_and_says_so(tiers: ColdTiers, agents: Agents) -> None:
    """Each hour in one commit; what is equal then, up to when, and how many rows."""
    child = agents.start("offload").wait_ready()
    wait_for(lambda: hours(child, "gold_ohlcv_1d", "equal") is not None, 120, "the last table is done")
    assert [tiers.cold(table) for table in TABLES[:3]] == [ROWS] * 3
    assert [tiers.snapshots(table) for table in TABLES] == [1] * 4
    for table in TABLES:
        assert (hours(child, table, "equal"), hours(child, table, "to_write")) == (1, 0)
        assert gauge(child, "offload_failed", table) == 0
        assert gauge(child, "table_rows_total", table) == tiers.cold(table)
        assert (gauge(child, "table_bytes_total", table) or 0) > 0
    assert gauge(child, "offload_watermark_timestamp_seconds", "silver_trades") == 1_772_323_200  # 2026-03-01
    assert (gauge(child, "offload_duration_seconds", "silver_trades") or 0) > 0
    assert child.stop() == 0


@pytest.mark.long
def test_by_its_schedule_it_finds_late_rows_and_does_not_shrink(tiers: ColdTiers, agents: Agents) -> None:
    """What came after an offload is in cold a minute later; what warm has lost stays there, and is told."""
    child = agents.start("offload", **EVERY_SECOND).wait_ready()
    wait_for(lambda: tiers.cold("silver_trades") == ROWS, 120, "the first offload")
    tiers.add("9000 AS kafka_offset")
    wait_for(lambda: tiers.cold("silver_trades") == ROWS + 1, 150, "the late row in cold")
    tiers.lose("kafka_offset IN (5, 6)")
    wait_for(lambda: hours(child, "silver_trades", "would_shrink") == 1, 150, "the hour is told")
    assert tiers.cold("silver_trades") == ROWS + 1
    assert f'"hours": "{HOUR}"' in child.log.read_text()
    assert child.stop() == 0


def test_what_cold_cannot_hold_holds_up_nothing_else(tiers: ColdTiers, agents: Agents) -> None:
    """The value and its row are named; other hours and tables are written."""
    large = "'9999999999999999999999999.9999999999999999' AS quote_volume"
    tiers.warm.command(
        f"INSERT INTO candles SELECT * REPLACE(subtractHours(window_start, 1) AS window_start, {large}) "  # noqa: S608
        "FROM candles LIMIT 1"
    )
    child = agents.start("offload").wait_ready()
    wait_for(lambda: hours(child, "gold_ohlcv_1d", "equal") is not None, 120, "the last table is done")
    assert hours(child, "gold_ohlcv_1m", "equal") == hours(child, "gold_ohlcv_1m", "to_write") == 1
    assert gauge(child, "offload_failed", "gold_ohlcv_1m") == 1
    (told,) = (
        line for line in map(json.loads, child.log.read_text().splitlines()) if line["event"] == "table_not_offloaded"
    )
    assert (
        "cold table gold_ohlcv_1m cannot hold quote_volume 9999999999999999999999999.9999999999999999" in told["reason"]
    )
    assert child.stop() == 0


def test_without_the_tables_it_names_the_command_that_makes_them(names: Names, agents: Agents) -> None:
    """And ends as for a wrong setting."""
    child = agents.start("offload")
    wait_for(lambda: child.exit_code is not None, 60, "the end of its start")
    assert child.exit_code == 2
    assert "run 'k2 " in child.log.read_text()
