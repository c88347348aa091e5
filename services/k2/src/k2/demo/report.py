"""What a demo says at its end: one JSON object for machines, a page for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from k2.demo.observer import StageCount, percentile
from k2.demo.reconcile import Difference, Sides
from k2_shared.core.trade import decode_as_contract

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Report:
    """The outcome of a run; ``seconds`` is from the first delivery to the last row."""

    sides: Sides
    differences: Sequence[Difference]
    iceberg_ages_ms: Sequence[float]
    seconds: float

    @property
    def reconciled(self) -> bool:
        """Whether every stage holds exactly what it must."""
        return not self.differences

    def as_json(self) -> str:
        """The outcome as one JSON object."""
        stages, tables = self.sides.stages, self.sides.tables
        ages = {name: stages[name].ages_ms for name in ("bronze", "gold")} | {"iceberg": self.iceberg_ages_ms}
        return json.dumps(
            {
                "recorded": self.sides.expected.recorded,
                "stages": {name: found.records for name, found in stages.items()},
                "tables": {name: found.rows for name, found in tables.items()},
                "age_ms": {
                    name: {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99)}
                    for name, found in ages.items()
                },
                "reconciled": self.reconciled,
            }
        )

    def print(self, console: Console) -> None:
        """The outcome for people."""
        console.print(_stages(self.sides), _trades(self.sides.stages["gold"]))
        rows = self.sides.tables["gold_crypto_trades"].rows
        p50, p99 = (percentile(self.iceberg_ages_ms, quantile) or 0 for quantile in (0.5, 0.99))
        console.print(
            f"{rows:,} gold rows in {self.seconds:.0f} s, {rows / max(self.seconds, 1):,.0f} per second "
            f"at the simulator's pace; from frame to Iceberg p50 {p50:,.0f} ms, p99 {p99:,.0f} ms",
            highlight=False,
        )
        for difference in self.differences:
            console.print(f"[red]differs[/red] {difference}", highlight=False)
        outcome = "[green]reconciled[/green]: nothing lost, nothing doubled"
        console.print(outcome if self.reconciled else "[red]NOT reconciled[/red]")


def _stages(sides: Sides) -> Table:
    table = Table("stage", "sent by the exchanges", "found", "age p50 ms", "age p99 ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, found in sides.stages.items():
        ages = (f"{found.age_ms(quantile) or 0:,.0f}" for quantile in (0.5, 0.99))
        table.add_row(stage, f"{sides.expected.stages[stage]:,}", f"{found.records:,}", *ages)
    for name, count in sides.expected.tables.items():
        table.add_row(name, f"{count:,}", f"{sides.tables[name].rows:,}", "", "")
    return table


def _trades(gold: StageCount) -> Table:
    table = Table("last trades", "trade id", "exchange time, UTC", "side", "price", "quantity")
    for symbol, values in sorted(gold.newest.items()):
        for value in values[-2:]:
            table.add_row(symbol, *_cells(decode_as_contract(value)))
    return table


def _cells(trade: Mapping[str, Any]) -> tuple[str, ...]:
    moment = _UNIX_EPOCH + timedelta(microseconds=trade["timestamp"])
    return (
        trade["trade_id"],
        f"{moment:%Y-%m-%d %H:%M:%S.%f}",
        trade["side"],
        f"{trade['price']:f}",
        f"{trade['quantity']:f}",
    )
