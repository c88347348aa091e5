"""What the gate found, for people and for programs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from k2.validation.comparison import TOLERANCE, Fault, Finding, TimeframeComparison
from k2.validation.scope import Filled
from k2_shared.batch.candles import WindowRange
from k2_shared.core.decimals import plain
from k2_shared.core.times import iso

_ONE_SIDED = (Fault.ONLY_V1, Fault.ONLY_V2)


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of six timeframes, and what they are of: a snapshot of gold's table, and windows that had ended."""

    filled: Filled
    now: datetime
    ranges: Mapping[str, WindowRange]
    rows: Sequence[TimeframeComparison]

    @property
    def is_equal(self) -> bool:
        """Whether every row is."""
        return all(row.is_equal for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """It as a file has it."""
        windows = {name: {"from": iso(span.begin), "before": iso(span.end)} for name, span in self.ranges.items()}
        compared = {**self.filled.to_json(), "ended_by": self.now.isoformat(), "windows": windows}
        return {"ok": self.is_equal, "compared": compared, "rows": [row.to_json() for row in self.rows]}

    def lines(self) -> Iterator[str]:
        """What stands below the table: up to where was compared, and the first candles that are not as they must be."""
        told = self.filled.to_json()
        offsets = ", ".join(f"{partition}: {offset:,}" for partition, offset in told["gold_offsets"].items())
        yield (
            f"v1 is Spark's of snapshot {told['snapshot']} of {told['made']}, which has gold up to offsets {offsets}; "
            "v2 is ClickHouse's"
        )
        if left_out := sum(row.left_out for row in self.rows):
            yield f"left out, for they have trades beyond those offsets: {left_out:,} candles of v2"
        for row in self.rows:
            yield from _named(row)


def row_of(row: TimeframeComparison) -> list[str]:
    """A timeframe as a row of the table."""
    within = "yes" if row.ohlc <= TOLERANCE else "NO"
    numbers = [f"{row.v1:,}", f"{row.v2:,}", plain(row.ohlc), within, plain(row.volume), f"{row.left_out:,}"]
    return [row.timeframe, *numbers, "equal" if row.is_equal else f"FAILS: {_counted(row)}"]


def _counted(row: TimeframeComparison) -> str:
    return ", ".join(f"{count:,} {fault}" for fault, count in row.faults.items() if count)


def _named(row: TimeframeComparison) -> Iterator[str]:
    for each in row.first:
        yield f"{row.timeframe} {each.window} {_told(each)}"
    if more := sum(row.faults.values()) - len(row.first):
        yield f"{row.timeframe}: {more:,} more"


def _told(finding: Finding) -> str:
    if finding.fault in _ONE_SIDED:
        said = {name: v1 or v2 for name, (v1, v2) in finding.values.items()}
        return f"is {finding.fault}, with {', '.join(f'{name} {value}' for name, value in said.items())}"
    if finding.fault is Fault.BROKEN:
        return "is impossible: " + ", ".join(f"{n} is {has}, not {may}" for n, (may, has) in finding.values.items())
    return "differs: " + ", ".join(f"{n} {v1} in v1, {v2} in v2" for n, (v1, v2) in finding.values.items())
