"""What a demo says at its end: one JSON object for machines, a page for people."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from k2.demo.faults import Faults
from k2.demo.observer import percentile
from k2.demo.reconcile import Difference, Sides
from k2.demo.warm_rows import WARM
from k2.ohlcv.candle import Candle
from k2.ohlcv.selection import VIEW
from k2.ohlcv.view import charts
from k2.terminal import Column, table

_STAGES = (
    Column("stage"),
    Column("expected", 0, "right"),
    Column("found", 0, "right"),
    Column("age p50 ms", 1, "right"),
    Column("age p99 ms", 2, "right"),
)
_LAYERS = (Column("layer"), Column("warm", 0, "right"), Column("cold", 0, "right"), Column("equal"))
_DRAWN_WIDTH, _DRAWN_THIRDS = 80, 2
"""Candles are drawn in so many columns, with so many thirds of lines for their prices."""


@dataclass(frozen=True)
class Ages:
    """From the receipt of a frame to its trade in gold's tables, ms: committed to Iceberg, queryable in ClickHouse."""

    iceberg: "array[float]"
    warm: "array[float]"


@dataclass(frozen=True)
class Report:
    """The outcome of a run; ``seconds`` is from the first delivery to the last row, ``drawn`` are candles to show."""

    sides: Sides
    differences: Sequence[Difference]
    ages: Ages
    seconds: float
    faults: Faults = field(default_factory=Faults)
    drawn: Sequence[Candle] = ()

    @property
    def reconciled(self) -> bool:
        """Whether every stage holds exactly what it must."""
        return not self.differences

    @property
    def succeeded(self) -> bool:
        """Whether it is reconciled and every fault ended as it should."""
        return self.reconciled and not self.faults.problems

    def as_json(self) -> str:
        """The outcome as one JSON object."""
        stages, tables = self.sides.stages, self.sides.tables
        ages = {name: stages[name].ages_ms for name in ("bronze", "gold")}
        ages |= {"iceberg": self.ages.iceberg, "warm": self.ages.warm}
        return json.dumps(
            {
                "recorded": self.sides.expected.recorded,
                "stages": {name: found.records for name, found in stages.items()},
                "tables": {name: found.rows for name, found in tables.items()},
                "warm": {name: found.rows for name, found in self.sides.warm.items()},
                "candles": {
                    name: {"rows": found.rows, "mismatches": found.mismatches}
                    for name, found in self.sides.candles.items()
                },
                "consistency": {
                    "rows": [asdict(layer) for layer in self.sides.cold],
                    "equal": all(layer.equal for layer in self.sides.cold),
                },
                "age_ms": {
                    name: {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99)}
                    for name, found in ages.items()
                },
                "faults": self.faults.as_json(),
                "reconciled": self.reconciled,
            }
        )

    def print(self, console: Console) -> None:
        """The outcome for people."""
        width = console.width
        console.print(_stages(self.sides, width))
        console.print(_between(self.sides), soft_wrap=not console.is_terminal)
        console.print()
        for drawn in charts(self.drawn, min(width, _DRAWN_WIDTH), _DRAWN_THIRDS):
            console.print(drawn)
        console.print(_cold(self.sides, width))
        console.print()
        rows = self.sides.tables["gold_crypto_trades"].rows
        self._say(
            console,
            f"{rows:,} gold rows in {self.seconds:.0f} s, {rows / max(self.seconds, 1):,.0f} per second "
            f"at the simulator's pace; from frame to Iceberg {_quantiles(self.ages.iceberg)}, "
            f"to a query of ClickHouse {_quantiles(self.ages.warm)}",
        )
        for line in self.faults.told(*self._gold_errors()):
            self._say(console, line)
        self._print_verdict(console)

    def _print_verdict(self, console: Console) -> None:
        for difference in self.differences:
            self._say(console, Text.assemble(("differs", "red"), f" {difference}"))
        for problem in self.faults.problems:
            self._say(console, Text.assemble(("failed", "red"), f" {problem}"))
        good = Text.assemble(("reconciled", "bold green"), ": nothing lost, nothing doubled")
        self._say(console, good if self.reconciled else Text("NOT reconciled", "bold red"))

    def _gold_errors(self) -> tuple[int, int]:
        """How many of gold's trades are lost, and how many doubled."""
        want, found = self.sides.expected.once, self.sides.stages["gold"].ids
        return (want - found).total(), (found - want).total()

    @staticmethod
    def _say(console: Console, line: str | Text) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _stages(sides: Sides, width: int) -> Table:
    rows: list[tuple[str | Text, ...]] = []
    for stage, found in sides.stages.items():
        ages = (f"{found.age_ms(quantile) or 0:,.0f}" for quantile in (0.5, 0.99))
        rows.append((stage, *_counts(sides.expected.stages[stage], found.records), *ages))
    for name, count in sides.expected.tables.items():
        rows.append((name, *_counts(count, sides.tables[name].rows), "", ""))
    for name, count in sides.expected_warm.items():
        rows.append((WARM.format(name), *_counts(count, sides.warm[name].rows), "", ""))
    for name, of in sides.candles.items():
        rows.append((WARM.format(VIEW.format(name)), *_counts(of.records, of.rows), "", ""))
    return table(_STAGES, rows, width)


def _cold(sides: Sides, width: int) -> Table:
    rows: list[tuple[str | Text, ...]] = []
    for layer in sides.cold:
        same = Text("yes", "green") if layer.equal else Text("NO", "red")
        rows.append((layer.layer, *_counts(layer.warm, layer.cold), same))
    return table(_LAYERS, rows, width)


def _quantiles(ages_ms: Sequence[float]) -> str:
    p50, p99 = (percentile(ages_ms, quantile) or 0 for quantile in (0.5, 0.99))
    return f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms"


def _counts(expected: int, found: int) -> tuple[str, Text]:
    """Green is what is as expected."""
    return f"{expected:,}", Text(f"{found:,}", "green" if found == expected else "red")


def _between(sides: Sides) -> str:
    """Why bronze holds more than gold."""
    count = {name: found.records for name, found in sides.stages.items()}
    return (
        f"bronze holds every delivery. Set aside as broken, whole and with the reason: {count['dlq']:,} (dlq). "
        f"Dropped as repeats: {count['silver'] - count['gold']:,}. Gold holds each trade once."
    )
