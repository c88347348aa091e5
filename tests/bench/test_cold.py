"""What ``make bench-cold`` measures, and that each part of it does."""

from dataclasses import replace
from typing import Any

import pytest
from tests.bench.cold import Measured, measure, numbers, tables
from tests.bench.cold_fill import LEAST, cold_place, day, fill
from tests.bench.cold_reads import ColdReads, measure_cold_reads
from tests.bench.cold_work import OffloadCost, compared, offloaded_each, unlike
from tests.bench.warm_reads import Reads

from k2_shared.cold.tables import cold_tables

COST = OffloadCost(100, 0.5, 0.2, 200.4)
READS = ColdReads(Reads(1, 3.0, 4.0), Reads(1, 5.0, 6.0), Reads(2, 3.4, 6.0))


def layer(**changes: Any) -> dict[str, Any]:
    """A layer of which every row of COST is equal, but for some changes."""
    return {"layer": "silver", "warm": 100, "cold": 100, "equal": True, "differing": [], **changes}


def test_the_last_line_has_each_table_and_the_largest_process() -> None:
    """Rows per CPU second of the process that offloads; a server elsewhere is not told of."""
    costs = {"raw_trades": COST, "silver_trades": replace(COST, cpu_s=0.25, server_s=None, peak_mb=300.4)}
    found = Measured(1.0, costs, 12.34, READS, None)
    assert numbers(found) == {
        "rows_per_cpu_s": {"raw_trades": 200, "silver_trades": 400},
        "memory_mb": 300,
        "consistency_s": 12.3,
        "cold_query_ms": {"p50": 3, "p99": 6},
    }
    assert len(tables(found)) == 3


def test_layers_are_equal_where_every_row_that_was_offloaded_was_compared() -> None:
    """What was left out of the comparison counts as a difference does."""
    cost = {"silver_trades": COST}
    assert not unlike([layer()], cost)
    for changes in ({"equal": False}, {"warm": 99}, {"cold": 99}, {"warm": 0, "cold": 0}):
        (said,) = unlike([layer(**changes)], cost)
        assert said.startswith("silver: of 100 rows")


@pytest.mark.long
async def test_a_day_is_offloaded_compared_and_read_from_cold() -> None:
    """Every table costs a process something, and both tiers have the same rows."""
    found = await measure(LEAST, queries=4)
    assert list(found.costs) == list(cold_tables())
    assert found.costs["silver_trades"].rows == LEAST
    assert found.costs["raw_trades"].rows == found.costs["bronze_trades"].rows == LEAST // 10
    assert found.costs["gold_ohlcv_1d"].rows == 200
    assert all(cost.cpu_s > 0 and cost.peak_mb > 50 for cost in found.costs.values())
    assert (found.reads.trades.count, found.reads.candles.count, found.reads.both.count) == (2, 2, 4)


@pytest.mark.long
async def test_tiers_that_differ_are_not_measured() -> None:
    """The benchmark ends, and says which layer; so it does where a query finds too few rows."""
    async with cold_place() as place:
        begin = day()
        fill(place, LEAST, begin)
        costs = offloaded_each(place)
        place.tables.command("DELETE FROM silver_trades WHERE symbol = 'S7/USDT'")
        with pytest.raises(SystemExit, match="silver: of 48,000 rows 47,760 in warm, 48,000 in cold"):
            compared(place, costs)
        with pytest.raises(SystemExit, match="rows of S0/USDT"):
            measure_cold_reads(place, 10 * LEAST, 2, begin)
