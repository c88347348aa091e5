"""The cold tier: what the offload of a row costs, how long a comparison of both tiers takes, and a query of cold alone.

Run it by ``make bench-cold``. The trades are of one day that has ended and of 200 symbols, made by ClickHouse itself;
frames and bronze's records are a tenth as many, and candles are of all of them. Each table is offloaded by a process of
its own: ``rows_per_cpu_s`` counts that one's CPU time, user and system, without its imports; the server's is told
beside. A table of few rows costs what its hours cost. Queries are those of ``k2 trades`` and ``k2 ohlcv``, once the
warm tier has no row of the day any more.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table
from tests.bench.cold_fill import HOURS, LEAST, cold_place, day, fill
from tests.bench.cold_reads import ColdReads, measure_cold_reads
from tests.bench.cold_work import OffloadCost, compared, offloaded_each
from tests.bench.harness import bounded, facts, report, table

LIMIT_S = 3_600.0
GOAL_RATE = 250_000
GOAL_MB = 512
GOAL_CONSISTENCY_S = 60
GOAL_QUERY_MS = 5_000


@dataclass(frozen=True)
class Measured:
    """Everything: the costs by table, seconds, and reads; ``server_mb`` is None where the server is elsewhere."""

    fill_s: float
    costs: Mapping[str, OffloadCost]
    consistency_s: float
    reads: ColdReads
    server_mb: float | None

    @property
    def memory_mb(self) -> float:
        """The largest peak of the processes that offloaded a table."""
        return max(cost.peak_mb for cost in self.costs.values())


async def measure(rows: int, queries: int) -> Measured:
    """Fill the warm tier with so many trades, offload and compare all tables, and ask so many queries."""
    async with cold_place() as place:
        began, begin = time.monotonic(), day()
        fill(place, rows, begin)
        fill_s = time.monotonic() - began
        await place.merged()
        costs = offloaded_each(place)
        consistency_s = compared(place, costs)
        reads = measure_cold_reads(place, rows, queries, begin)
        return Measured(fill_s, costs, consistency_s, reads, place.server.peak_mb if place.server else None)


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_costs(found.costs), _reads(found.reads), _rest(found)]


def _costs(costs: Mapping[str, OffloadCost]) -> Table:
    columns = ("rows", "CPU s", "server's CPU s", f"rows per CPU second (goal {GOAL_RATE:,})", f"MB (goal {GOAL_MB})")
    made = table(f"the offload of {HOURS} hours", "table", *columns)
    for name, cost in costs.items():
        server = "not here" if cost.server_s is None else f"{cost.server_s:.1f}"
        made.add_row(name, f"{cost.rows:,}", f"{cost.cpu_s:.1f}", server, f"{cost.rate:,.0f}", f"{cost.peak_mb:.0f}")
    return made


def _reads(reads: ColdReads) -> Table:
    made = table("what cold answers alone", "of", "queries", "p50 ms", f"p99 ms (goal {GOAL_QUERY_MS:,})")
    ways = {
        "a symbol's trades in an hour": reads.trades,
        "its candles of a minute": reads.candles,
        "both": reads.both,
    }
    for name, each in ways.items():
        made.add_row(name, f"{each.count}", f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}")
    return made


def _rest(found: Measured) -> Table:
    said = {
        "s to fill the warm tier": f"{found.fill_s:.1f}",
        f"s to compare nine layers (goal {GOAL_CONSISTENCY_S})": f"{found.consistency_s:.1f}",
        "peak resident MB of the server": "not here" if found.server_mb is None else f"{found.server_mb:.0f}",
    }
    return facts("both tiers", said)


def numbers(found: Measured) -> Mapping[str, object]:
    """What was measured, for programs."""
    both = found.reads.both
    return {
        "rows_per_cpu_s": {name: round(cost.rate) for name, cost in found.costs.items()},
        "memory_mb": round(found.memory_mb),
        "consistency_s": round(found.consistency_s, 1),
        "cold_query_ms": {"p50": round(both.p50_ms), "p99": round(both.p99_ms)},
    }


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What the cold tier costs, and how fast it is.")
    parser.add_argument("--rows", type=int, default=20_000_000, help=f"of silver_trades, {LEAST:,} or more")
    parser.add_argument("--queries", type=int, default=60, help="of cold alone, 2 or more")
    given = parser.parse_args()
    if given.rows < LEAST or given.queries < 2:
        parser.error(f"--rows {given.rows} --queries {given.queries}: it is {LEAST} rows and 2 queries at least")
    found = bounded(measure(given.rows, given.queries), LIMIT_S)
    report(tables(found), numbers(found))


if __name__ == "__main__":
    main()
