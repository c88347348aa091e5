"""What open gaps cost a feed, and what a feed of many symbols holds in memory.

Run it by ``make bench-gaps``. Each operation is done on a symbol of which every second id is missing; its cost is CPU
time of this process, the least of several rounds. The memory is that of a process of its own, which holds what a feed
holds of so many symbols after thousands of trades of each; nothing is connected.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from tests.bench.harness import report, table
from tests.bench.many_gaps import Costs, costs

GAPS = (0, 1_000, 10_000, 100_000)
SYMBOLS = (2, 1_000)


def resident_mb(symbols: int) -> float:
    """What a feed of so many symbols holds in memory."""
    argv = [sys.executable, "-m", "tests.bench.feeds_memory", str(symbols)]
    return float(json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout))


def operations(found: Sequence[Costs]) -> Table:
    """The costs by the number of gaps."""
    made = table("CPU µs of one operation", "open gaps", "new trade", "lost one", "late one", "tick", "look", "page")
    for each in found:
        numbers = (each.trade, each.lost, each.late, each.tick, each.look, each.page)
        made.add_row(f"{each.gaps:,}", *(f"{number:,.2f}" for number in numbers))
    return made


def checkpoints(found: Sequence[Costs]) -> Table:
    """What checkpoints take, and the share of a core that all takes together."""
    columns = ("µs to make", "bytes", "µs, the first", "bytes", "largest record", "µs to read", "% of a core")
    made = table("checkpoints, after one lost and one late trade", "open gaps", *columns)
    for each in found:
        numbers = (each.saving, each.saving_bytes, each.saving_all, each.saving_all_bytes, each.largest_record)
        cells = [f"{number:,.0f}" for number in (*numbers, each.reading)]
        made.add_row(f"{each.gaps:,}", *cells, f"{100 * each.share:.3f}")
    return made


def memory(resident: dict[int, float]) -> Table:
    """The resident memory by the number of symbols."""
    made = table("resident memory of a feed", "symbols", "MB")
    for symbols, megabytes in resident.items():
        made.add_row(f"{symbols:,}", f"{megabytes:.0f}")
    return made


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What open gaps and many symbols cost a feed.")
    parser.parse_args()
    found = [costs(gaps) for gaps in GAPS]
    resident = {symbols: round(resident_mb(symbols), 1) for symbols in SYMBOLS}
    numbers: dict[str, float | int | None] = {
        f"{name}_{each.gaps}": round(value, 3)
        for each in found
        for name, value in (asdict(each) | {"core_percent": 100 * each.share}).items()
        if name != "gaps"
    }
    numbers |= {f"resident_mb_{symbols}_symbols": megabytes for symbols, megabytes in resident.items()}
    report([operations(found), checkpoints(found), memory(resident)], numbers)


if __name__ == "__main__":
    main()
