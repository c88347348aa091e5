"""What a person sees of a running demo: a live table on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from k2.demo.observer import WARM_STAGES, StageCount
from k2.demo.warm_rows import WARM
from k2.terminal import Column, table
from k2_local.progress import chatter

_PLAIN_EVERY_S = 5.0
_COLUMNS = (
    Column("stage"),
    Column("records", 0, "right"),
    Column("lag", 1, "right"),
    Column("per second", 2, "right"),
    Column("age p50 ms", 3, "right"),
    Column("age p99 ms", 4, "right"),
)


@dataclass(frozen=True)
class Moment:
    """The state of a demo at one moment: consumers' counts, and the rows of the lake's and the warm tier's tables.

    ``gaps`` are the records of the ledger.
    """

    stages: Mapping[str, StageCount]
    tables: Mapping[str, int]
    warm: Mapping[str, int]
    gaps: int
    ended: tuple[str, ...] = ()

    def lag(self, stage: str) -> int | None:
        """Records of the stage before that this one has not accounted for yet."""
        count = {name: found.records for name, found in self.stages.items()}
        match stage:
            case "silver":
                return max(0, count["bronze"] - count["silver"] - count["dlq"])
            case "gold":
                return max(0, len(self.stages["silver"].ids) - count["gold"])
            case _:
                return None

    @property
    def counts(self) -> dict[str, int]:
        """What every stage and table holds, by its name."""
        return {**{name: found.records for name, found in self.stages.items()}, **self.tables, **self.warm}

    def warm_lag(self, table: str) -> int:
        """Records of a warm table's topics that have no row yet."""
        fed_by = self.stages[WARM_STAGES[table]].records if table in WARM_STAGES else self.gaps
        return max(0, fed_by - self.warm[table])

    def table_lag(self, table: str) -> int:
        """Records of a table's topics that have no row yet."""
        silver = self.stages["silver"].ids
        fed_by = {
            "bronze_crypto_trades": self.stages["bronze"].records,
            "gold_crypto_trades": self.stages["gold"].records,
            "silver_dlq_trades": self.stages["dlq"].records,
        }
        if table in fed_by:
            return max(0, fed_by[table] - self.tables[table])
        exchange = table.split("_")[1].upper()
        return max(0, sum(n for id_, n in silver.items() if id_.startswith(exchange)) - self.tables[table])


class Screen:
    """Shows moments on stderr."""

    def __init__(self) -> None:
        self._console = chatter()
        is_live = self._console.is_terminal
        self._live = Live(console=self._console, refresh_per_second=4, transient=True) if is_live else None
        self._began = time.monotonic()
        self._last: tuple[float, dict[str, int]] = (self._began, {})
        self._said = 0.0
        self._ended: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(line, markup=False, emoji=False, soft_wrap=True)

    def show(self, moment: Moment) -> None:
        """Show a moment."""
        now = time.monotonic()
        if moment.ended != self._ended:
            self._ended = moment.ended
            for line in moment.ended:
                self.say(line)
        if self._live:
            self._live.update(self._table(moment, now))
        elif now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            counts = ", ".join(f"{stage} {found.records:,}" for stage, found in moment.stages.items())
            lake, warm = moment.tables.get("gold_crypto_trades", 0), moment.warm.get("gold_trades", 0)
            self.say(f"{now - self._began:4.0f} s  {counts}, gold rows {lake:,}, in the warm tier {warm:,}")

    def _table(self, moment: Moment, now: float) -> Table:
        rows = []
        for stage, found in moment.stages.items():
            ages = [_number(found.age_ms(q)) for q in (0.5, 0.99)]
            rate = self._rate(stage, found.records, now)
            rows.append((stage, f"{found.records:,}", _lag(moment.lag(stage)), rate, *ages))
        for name, count in moment.tables.items():
            rows.append((name, f"{count:,}", _lag(moment.table_lag(name)), self._rate(name, count, now), "", ""))
        for name, count in moment.warm.items():
            lag, rate = _lag(moment.warm_lag(name)), self._rate(name, count, now)
            rows.append((WARM.format(name), f"{count:,}", lag, rate, "", ""))
        self._last = (now, moment.counts)
        return table(_COLUMNS, rows, self._console.width)

    def _rate(self, name: str, count: int, now: float) -> str:
        then, counts = self._last
        return f"{max(0, count - counts.get(name, 0)) / max(0.1, now - then):,.0f}"


def _lag(lag: int | None) -> str | Text:
    """Green where nothing is left to do, yellow where something is."""
    return "" if lag is None else Text(f"{lag:,}", "yellow" if lag else "green")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
