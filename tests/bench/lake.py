"""The lake: how fast the Iceberg sink is, how soon its rows are found, and how long an hour of gold takes to read.

Run it by ``make bench-lake``. Speeds are rows a second of the clock, exactly once, of a sink that catches up with one
topic; the limit is a plain append by pyiceberg of the same rows, ready in memory, by batches of up to SINK_MAX_ROWS.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from tests.bench.harness import bounded, facts, report, table
from tests.bench.lake_arrivals import WARM_UP_S, Arrivals, measure_arrivals
from tests.bench.lake_query import measure_queries
from tests.bench.lake_speed import TOPICS, Speed, measure_speed

from iceberg_sink.settings import SinkSettings

GOAL, GOAL_RATE, GOAL_QUERY_MS = 0.5, 200_000, 500
INTERVALS_S = (1.0, 2.0, 10.0)
_PATIENCE_S = 400.0


@dataclass(frozen=True)
class Measured:
    """Everything: by table the sink's speed and the limit; arrivals by the interval of commits, the last longest."""

    speeds: Mapping[str, tuple[Speed, Speed]]
    arrivals: Mapping[float, Arrivals]
    query_ms: Sequence[float]

    @property
    def sustained(self) -> Arrivals:
        """The load that went on for long, at the default interval."""
        return list(self.arrivals.values())[-1]


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_speeds(found), _arrivals(found), _facts(found)]


def _speeds(found: Measured) -> Table:
    columns = ("rows a second", f"of the limit (goal {GOAL}, {GOAL_RATE:,} rows)", "rows per CPU second", "peak MB")
    made = table("a sink that catches up, and a plain append of ready rows", "table, by", *columns)
    for name, (ours, limit) in found.speeds.items():
        for by, each in ((f"{name}: the sink", ours), (f"{name}: pyiceberg's append", limit)):
            part = f"{each.rate / limit.rate:.2f}"
            made.add_row(by, f"{each.rate:,.0f}", part, f"{each.cpu_rate:,.0f}", f"{each.peak_mb:.0f}")
    return made


def _arrivals(found: Measured) -> Table:
    made = table(
        "from receipt to a reader that finds it",
        "SINK_INTERVAL_S, table",
        "s",
        "p50 ms",
        "p99 ms",
        "commits an hour",
        "files an hour",
    )
    for interval_s, arrivals in found.arrivals.items():
        for name, each in arrivals.tables.items():
            hourly = [f"{count * 3_600 / arrivals.seconds:,.0f}" for count in (each.commits, each.files)]
            shown = (f"{arrivals.seconds:,.0f}", f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}", *hourly)
            made.add_row(f"{interval_s:g}: {name}", *shown)
    return made


def _facts(found: Measured) -> Table:
    held = found.sustained
    said = {
        "trades a second into each table, held": f"{held.rate:,.0f}",
        "records not committed 10 s after the last": f"{held.lag:,}",
        "attempts at a commit that failed": f"{held.failed}",
        "CPU seconds a second": ", ".join(f"{name} {each:.2f}" for name, each in held.cpu.items()),
        "peak resident MB of the sink": f"{_memory(found):.0f}",
        f"a query of one hour of gold, p50 and p99 ms (goal {GOAL_QUERY_MS})": " and ".join(
            map(str, _quantiles(found))
        ),
    }
    return facts("under load, and read", said)


def _memory(found: Measured) -> float:
    return max(found.sustained.peak_mb, *(ours.peak_mb for ours, _ in found.speeds.values()))


def _quantiles(found: Measured) -> tuple[int, int]:
    p50, p99 = np.quantile(found.query_ms, (0.5, 0.99), method="inverted_cdf")
    return round(p50), round(p99)


def numbers(found: Measured) -> Mapping[str, object]:
    """What was measured, for programs."""
    held, (p50, p99) = found.sustained, _quantiles(found)
    speeds = {name.partition("_")[0]: each for name, each in found.speeds.items()}
    return {
        **{name: round(ours.rate) for name, (ours, _) in speeds.items()},
        "limit": {name: round(limit.rate) for name, (_, limit) in speeds.items()},
        "ratio": {name: round(ours.rate / limit.rate, 2) for name, (ours, limit) in speeds.items()},
        "freshness_ms": {
            name.partition("_")[0]: {"p50": round(each.p50_ms), "p99": round(each.p99_ms)}
            for name, each in held.tables.items()
        },
        "held": round(held.rate),
        "lag": held.lag,
        "gold_hour_query_ms": {"p50": p50, "p99": p99},
        "failed_commits": held.failed,
        "memory_mb": round(_memory(found)),
    }


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="How fast and how fresh the lake is.")
    parser.add_argument("--lag", type=int, default=600_000, help="trades that the sink catches up with, for each table")
    parser.add_argument("--rate", type=int, default=10_000, help="trades a second into each of the tables")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the load at the default interval")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the load at each of the other intervals")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the hour of gold that is read")
    parser.add_argument("--reads", type=int, default=100, help="of it")
    given = parser.parse_args()
    default_s, long_s = float(SinkSettings.model_fields["sink_interval_s"].default), 60 * given.minutes
    loads = {**dict.fromkeys(INTERVALS_S, given.seconds), default_s: long_s}
    found = Measured(
        {name: bounded(measure_speed(name, given.lag)) for name in TOPICS},
        {
            interval_s: bounded(
                measure_arrivals(given.rate, seconds, interval_s), _PATIENCE_S + WARM_UP_S + 2 * seconds
            )
            for interval_s, seconds in loads.items()
        },
        bounded(measure_queries(given.rows, given.reads)),
    )
    report(tables(found), numbers(found))


if __name__ == "__main__":
    main()
