"""The warm tier: what a row costs, how soon it is found, and how long the last trades of a symbol take.

Run it by ``make bench-warm``. What a row costs is CPU time of two processes, and both count: of the one that inserts it
and of the server. ``ours`` and ``plain`` are rows per CPU second of both together: of a sink that takes trades from
Kafka, and of the same trades, whose rows were made before, inserted by a client that does nothing else. The clients
alone are told beside.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table
from tests.bench.harness import bounded, facts, report, table
from tests.bench.warm_arrivals import Queryable, measure_arrivals
from tests.bench.warm_inserts import InsertCost, measure_inserts
from tests.bench.warm_reads import Found, measure_reads

from k2_shared.kafka.topics import BRONZE, GOLD

SINK = ("warm_sink",)
PIPELINE = ("silver", "gold", "warm_sink")


@dataclass(frozen=True)
class Measured:
    """Everything."""

    ours: InsertCost
    plain: InsertCost
    sink: Queryable
    pipeline: Queryable
    reads: Found


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_inserts(found), _arrivals(found), _reads(found.reads), _memory(found)]


def _inserts(found: Measured) -> Table:
    made = table(
        f"{found.ours.rows:,} rows into gold_trades", "by", "client µs a row", "server µs a row", "rows per CPU second"
    )
    for name, cost in (("the sink, from Kafka", found.ours), ("a plain Arrow insert of ready rows", found.plain)):
        client, server = (f"{1e6 * (each or 0.0) / cost.rows:.2f}" for each in (cost.client_s, cost.server_s))
        made.add_row(name, client, server, f"{cost.rate(cost.both_s):,.0f}")
    made.add_row("times as many", *(f"{each:.2f}" for each in _ratios(found)))
    return made


def _ratios(found: Measured) -> list[float]:
    """Ours by the plain one's: of clients alone, servers alone, both."""
    ours, plain = found.ours, found.plain
    pairs = (
        (ours.client_s, plain.client_s),
        (ours.server_s or 1.0, plain.server_s or 1.0),
        (ours.both_s, plain.both_s),
    )
    return [plain_s / plain.rows * ours.rows / ours_s for ours_s, plain_s in pairs]


def _arrivals(found: Measured) -> Table:
    made = table("from receipt to a query that finds it", "way", "trades a second", "p50 ms", "p99 ms", "CPUs taken")
    ways = {"written to gold: the sink's part": found.sink, "written to bronze: silver, gold, sink": found.pipeline}
    for name, each in ways.items():
        used = ", ".join(f"{of} {cpus:.2f}" for of, cpus in each.cpu.items())
        made.add_row(name, f"{each.rate:,.0f}", f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}", used)
    return made


def _reads(found: Found) -> Table:
    made = table(f"the last 100 trades of a symbol, in {found.rows:,} rows", "when", "reads", "p50 ms", "p99 ms")
    for name, each in (("quiet", found.quiet), (f"beside {found.heavy} heavy queries", found.beside)):
        made.add_row(name, f"{each.count}", f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}")
    return made


def _memory(found: Measured) -> Table:
    server = found.reads.server_mb
    said = {"sink, at a lag": f"{found.ours.peak_mb:.0f}", "server": "not here" if server is None else f"{server:.0f}"}
    return facts("peak resident MB", said)


def numbers(found: Measured) -> Mapping[str, object]:
    """What was measured, for programs."""
    ours, plain, reads = found.ours, found.plain, found.reads
    client, _, both = _ratios(found)
    return {
        "ours": round(ours.rate(ours.both_s)),
        "plain": round(plain.rate(plain.both_s)),
        "ratio": round(both, 2),
        "ours_client": round(ours.rate(ours.client_s)),
        "plain_client": round(plain.rate(plain.client_s)),
        "ratio_client": round(client, 2),
        "queryable_ms": _delays(found.sink),
        "pipeline_ms": _delays(found.pipeline),
        "last_100_ms": {"p50": round(reads.quiet.p50_ms), "p99": round(reads.quiet.p99_ms)},
        "last_100_beside_ms": {"p50": round(reads.beside.p50_ms), "p99": round(reads.beside.p99_ms)},
        "memory_mb": {"sink": round(ours.peak_mb), "server": round(reads.server_mb or 0)},
    }


def _delays(found: Queryable) -> dict[str, int]:
    return {"p50": round(found.p50_ms), "p99": round(found.p99_ms), "rate": round(found.rate)}


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What the warm tier costs, and how fast it is.")
    parser.add_argument("--trades", type=int, default=480_000, help="of the sink's lag and the plain inserts")
    parser.add_argument("--rate", type=int, default=10_000, help="trades a second, written to gold")
    parser.add_argument("--pipeline-rate", type=int, default=2_000, help="trades a second, written to bronze")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load, after a warm-up")
    parser.add_argument("--rows", type=int, default=20_000_000, help="of the table that is read")
    parser.add_argument("--reads", type=int, default=200, help="quiet, and as many beside heavy queries")
    given = parser.parse_args()
    found = Measured(
        *bounded(measure_inserts(given.trades)),
        bounded(measure_arrivals(GOLD, given.rate, given.seconds, SINK)),
        bounded(measure_arrivals(BRONZE, given.pipeline_rate, given.seconds, PIPELINE)),
        bounded(measure_reads(given.rows, given.reads)),
    )
    report(tables(found), numbers(found))


if __name__ == "__main__":
    main()
