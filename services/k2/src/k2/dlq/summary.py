"""What the dead-letter topic holds, by who refused it, why, and from where."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from rich.table import Table

from k2.dlq.letter import Letter, Place

MAX_GROUPS = 1_000  # ours are some hundred; this bounds what a stranger's headers can take
_OTHER = ("", "(more kinds)", "")


@dataclass(slots=True)
class Group:
    """The letters of one stage, reason and source topic."""

    stage: str
    reason: str
    topic: str
    example: Place
    first: datetime
    last: datetime
    count: int = 0

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        self.count += 1
        self.first, self.last = min(self.first, letter.refused), max(self.last, letter.refused)

    def shown(self) -> dict[str, str | int]:
        """As it is shown, in the order of the columns."""
        return {
            "stage": self.stage,
            "reason": self.reason,
            "topic": self.topic,
            "count": self.count,
            "first": self.first.isoformat(timespec="milliseconds"),
            "last": self.last.isoformat(timespec="milliseconds"),
            "example": str(self.example),
        }


@dataclass
class Summary:
    """Counts letters by group, in bounded memory."""

    _groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)

    def add(self, letters: Iterable[Letter]) -> None:
        """Count letters."""
        for letter in letters:
            kind = (letter.stage, letter.reason, letter.topic)
            if kind not in self._groups and len(self._groups) >= MAX_GROUPS:
                kind = _OTHER
            if kind not in self._groups:
                self._groups[kind] = Group(*kind, letter.place, letter.refused, letter.refused)
            self._groups[kind].add(letter)

    def largest(self, limit: int) -> list[Group]:
        """The groups with the most letters, at most ``limit``."""
        return sorted(self._groups.values(), key=lambda group: (-group.count, group.stage, group.reason))[:limit]


def table(groups: Iterable[Group]) -> Table:
    """Groups for people."""
    drawn = Table("stage", "reason", "topic", "count", "first", "last", "example", box=None)
    for group in groups:
        drawn.add_row(*(str(value) for value in group.shown().values()))
    return drawn
