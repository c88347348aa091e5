"""Candles in the warm tier: what they cost a trade, how long a day of them takes, and a sink's start amid them.

Run it by ``make bench-candles``. ``ours`` and ``plain`` are rows of gold per CPU second at so many symbols, by all CPU
time, user and system, of two processes together: of the one that inserts, and of the server until it has merged.
``ours`` is the sink, which takes trades from Kafka, decodes them, inserts them, folds them into candles of six
timeframes and inserts those; its start does not count. ``plain`` is a client that inserts the same trades alone, whose
rows were made before. Neither counts Kafka's CPU time, nor that of the process that wrote the trades. Only ratios
within one run say something: the machine's pace changes.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.table import Table
from tests.bench.candles_history import CANDLES, History, measure_history
from tests.bench.harness import bounded, facts, report, table
from tests.bench.market import Market
from tests.bench.warm_inserts import InsertCost, measure_inserts

SYMBOLS = (4, 50, 200)
GOAL = 0.5
GOAL_MS = 100


@dataclass(frozen=True)
class Measured:
    """Everything: by the number of symbols what the sink took and the plain inserts, and what was found of history."""

    costs: Mapping[int, tuple[InsertCost, InsertCost]]
    history: History


def tables(found: Measured) -> list[Table]:
    """What was measured, for people."""
    return [_costs(found.costs), _reads(found.history), _start(found)]


def _costs(costs: Mapping[int, tuple[InsertCost, InsertCost]]) -> Table:
    columns = ("client µs a row", "server µs a row", "rows per CPU second", f"of the plain one's (goal {GOAL})")
    made = table("trades into gold_trades", "symbols, by", *columns)
    for symbols, (ours, plain) in costs.items():
        for name, cost in (("the sink, with candles", ours), ("a plain Arrow insert, trades alone", plain)):
            client, server = (f"{1e6 * (each or 0.0) / cost.rows:.2f}" for each in (cost.client_s, cost.server_s))
            part = f"{_rate(cost) / _rate(plain):.2f}"
            made.add_row(f"{symbols}: {name}", client, server, f"{_rate(cost):,.0f}", part)
    return made


def _rate(cost: InsertCost) -> float:
    return cost.rate(cost.both_s)


def _reads(history: History) -> Table:
    title = f"a symbol's last {CANDLES:,} candles of a minute; {history.trades:,} trades, {history.candles:,} candles"
    made = table(title, "when", "reads", "p50 ms", f"p99 ms (goal {GOAL_MS})")
    ways = {"none is missing": history.complete, f"{history.lacking:,} are incomplete": history.incomplete}
    for name, each in ways.items():
        made.add_row(name, f"{each.count}", f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}")
    return made


def _start(found: Measured) -> Table:
    begun = found.history.begun
    memory = _memory(found)
    said = {
        "s from the start of a new sink to its first candle": f"{begun.first_s:.1f}",
        "CPU s of the sink and of the server until then": f"{begun.sink_cpu_s:.1f} and {begun.server_cpu_s or 0.0:.1f}",
        f"s until all of {begun.trades:,} late trades are in": f"{begun.all_s:.1f}",
        "peak resident MB: the sink at a lag": f"{memory['sink']}",
        "the sink amid history": f"{memory['sink_history']}",
        "the server": f"{memory['server']}" if found.history.server_mb is not None else "not here",
    }
    return facts("a start in mid-history, and memory", said)


def _memory(found: Measured) -> dict[str, int]:
    peaks_mb = {
        "sink": max(ours.peak_mb for ours, _ in found.costs.values()),
        "sink_history": found.history.begun.peak_mb,
        "server": found.history.server_mb or 0.0,
    }
    return {name: round(each) for name, each in peaks_mb.items()}


def numbers(found: Measured) -> Mapping[str, object]:
    """What was measured, for programs."""
    history = found.history
    return {
        "ours": _by_symbols(found, lambda ours, _: round(_rate(ours))),
        "plain": _by_symbols(found, lambda _, plain: round(_rate(plain))),
        "ratio": _by_symbols(found, lambda ours, plain: round(_rate(ours) / _rate(plain), 2)),
        "candles_1440_ms": {"p50": round(history.complete.p50_ms), "p99": round(history.complete.p99_ms)},
        "candles_1440_missing_ms": {"p50": round(history.incomplete.p50_ms), "p99": round(history.incomplete.p99_ms)},
        "start_s": round(history.begun.first_s, 1),
        "start_cpu_s": {
            "sink": round(history.begun.sink_cpu_s, 1),
            "server": round(history.begun.server_cpu_s or 0.0, 1),
        },
        "memory_mb": _memory(found),
    }


def _by_symbols(found: Measured, of: Callable[[InsertCost, InsertCost], float]) -> dict[str, float]:
    return {str(symbols): of(*costs) for symbols, costs in found.costs.items()}


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What candles cost, and how fast they are.")
    parser.add_argument("--trades", type=int, default=240_000, help="of each lag and of the plain inserts")
    parser.add_argument("--pace", type=int, default=1_000, help="trades in a second of the exchange's time")
    parser.add_argument("--rows", type=int, default=20_000_000, help="of the table of trades that has candles")
    parser.add_argument("--reads", type=int, default=200, help="of candles, and as many where ids are missing")
    parser.add_argument("--late", type=int, default=20_000, help="trades that a sink takes in mid-history")
    given = parser.parse_args()
    step_us = 1_000_000 // given.pace
    costs = {each: bounded(measure_inserts(given.trades, Market(symbols=each, step_us=step_us))) for each in SYMBOLS}
    found = Measured(costs, bounded(measure_history(given.rows, given.reads, given.late)))
    report(tables(found), numbers(found))


if __name__ == "__main__":
    main()
