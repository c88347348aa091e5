"""One cold table offloaded, as the command line says it."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from k2.cold.wanted import EVERY_HOUR, HourRange
from k2.terminal import progress
from k2_shared.cold.hours import Hour, Verdict
from k2_shared.cold.offload import ColdOffload, HourComparison


@dataclass(frozen=True, slots=True)
class Mode:
    """What may be written."""

    dry_run: bool
    allow_shrink: bool

    def writes(self, found: HourComparison) -> bool:
        """Whether an hour is to be written."""
        may_shrink = self.allow_shrink and found.verdict is Verdict.WOULD_SHRINK and found.warm is not None
        return found.verdict is Verdict.TO_WRITE or may_shrink


@dataclass(slots=True)
class TableOffload:
    """What became of a table's hours: the rows of those that were written, by hour, and of the others how many."""

    table: str
    written: dict[str, int] = field(default_factory=dict)
    left: dict[Verdict, list[str]] = field(default_factory=dict)

    @property
    def refused(self) -> list[str]:
        """The hours that would have shrunk."""
        return self.left.get(Verdict.WOULD_SHRINK, [])

    def to_row(self) -> list[str]:
        """It as a row of the table: numbers of hours, and of rows that were written."""
        kinds = (Verdict.EQUAL, Verdict.OPEN, Verdict.EXPIRING, Verdict.WOULD_SHRINK)
        count = Counter({kind: len(hours) for kind, hours in self.left.items()})
        numbers = [len(self.written), sum(self.written.values()), *(count[kind] for kind in kinds)]
        return [self.table, *(f"{number:,}" for number in numbers)]

    def to_json(self) -> dict[str, Any]:
        """It as ``--json`` prints it: hours by what became of them."""
        left = {
            kind.value.replace(" ", "_"): self.left.get(kind, []) for kind in Verdict if kind is not Verdict.TO_WRITE
        }
        return {"table": self.table, "written": self.written, **left}


def compared(name: str, offload: ColdOffload, hours: HourRange, now: datetime) -> Iterator[HourComparison]:
    """Compare the hours of a table, in their order; how far it is shows on a terminal. Blocks."""
    chunks = offload.chunks(now, hours.first, hours.last)
    with progress(name, sum(chunk.rows for chunk in chunks)) as advance:
        for chunk in chunks:
            yield from offload.compared(now, chunk.first, chunk.last)
            advance(chunk.rows)


def offloaded(name: str, offload: ColdOffload, hours: HourRange, mode: Mode, now: datetime) -> TableOffload:
    """Offload the hours of a table that differ; each is told on stderr as it is done. Blocks.

    Raises:
        K2Error: as ``ColdOffload`` does; the hours that were told stay written.
    """
    done, verdicts = TableOffload(name), dict[Hour, Verdict]()
    for found in compared(name, offload, hours, now):
        verdicts[found.hour] = found.verdict
        if not mode.writes(found):
            done.left.setdefault(found.verdict, []).append(str(found.hour))
            continue
        after = found if mode.dry_run else offload.write(found, now)
        rows = after.warm.fingerprint.rows if after.warm else 0
        done.written[str(found.hour)] = rows
        end = "would be written (--dry-run)" if mode.dry_run else "written"
        sys.stderr.write(f"{name} {found.hour}: {rows:,} rows {end}\n")
    if hours == EVERY_HOUR and not mode.dry_run:
        offload.publish(verdicts.items(), now)
    return done
