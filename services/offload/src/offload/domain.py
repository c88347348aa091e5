"""What the offload of one table comes to; pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from k2_shared.cold.hours import Hour, Verdict
from k2_shared.cold.offload import HourComparison

_NAMED = 5


@dataclass(slots=True)
class Account:
    """The hours of a table as they stand after its offload, and what could not be written of it."""

    table: str
    verdicts: dict[Hour, Verdict] = field(default_factory=dict)
    written: int = 0
    rows: int = 0
    shrinking: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def left(self, found: HourComparison) -> None:
        """Take in an hour that was left as it is."""
        self.verdicts[found.hour] = found.verdict
        if found.verdict is Verdict.WOULD_SHRINK:
            self.shrinking.append(str(found.hour))

    def wrote(self, after: HourComparison) -> None:
        """Take in an hour that was written, as it was found afterwards."""
        self.left(after)
        self.written += 1
        self.rows += after.cold.fingerprint.rows if after.cold else 0

    def refused(self, found: HourComparison, why: str) -> None:
        """Take in an hour that cold cannot hold."""
        self.left(found)
        self.refusals.append(why)

    @property
    def hours(self) -> Counter[Verdict]:
        """How many hours stand how."""
        return Counter(self.verdicts.values())

    @property
    def labels(self) -> Mapping[str, int]:
        """How many hours stand how, by what metrics and logs call it."""
        hours = self.hours
        return {verdict.name.lower(): hours[verdict] for verdict in Verdict}


def named(hours: list[str]) -> str:
    """The first hours of a list, and how many more there are."""
    more = len(hours) - _NAMED
    return ", ".join(hours[:_NAMED]) + (f" and {more} more" if more > 0 else "")
