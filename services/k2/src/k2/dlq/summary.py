"""What the dead-letter topic holds, by who refused it first, why, and from where."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from k2.dlq.history import Standing, State
from k2.dlq.letter import Letter, Place
from k2.terminal import Column, table
from k2_shared.core.times import iso

if TYPE_CHECKING:
    from rich.table import Table

MAX_GROUPS = 1_000  # ours are some hundred; this bounds what a stranger's headers can take
_OTHER = ("", "(more kinds)", "")
_COLUMNS = (
    Column("stage"),
    Column("reason"),
    Column("topic"),
    Column("letters", 0, "right"),
    Column("attempts", 1, "right"),
    Column("waiting", 4, "right"),
    Column("replayed", 5, "right"),
    Column("refused again", 3, "right"),
    Column("last replay", 7),
    Column("first", 9),
    Column("last", 8),
    Column("example", 2),
)


@dataclass(slots=True)
class Group:
    """The letters of one stage, reason and source topic; their attempts and states where they are known."""

    stage: str
    reason: str
    topic: str
    example: Place
    first: datetime
    last: datetime
    letters: int = 0
    attempts: int = 0
    states: Counter[State] = field(default_factory=Counter)
    replayed_us: int = 0

    def add(self, letter: Letter, standing: Standing | None) -> None:
        """Count a letter."""
        self.letters += 1
        self.first, self.last = min(self.first, letter.refused), max(self.last, letter.refused)
        if standing:
            self.attempts += standing.attempts
            self.states[standing.state] += 1
            self.replayed_us = max(self.replayed_us, standing.replay.at if standing.replay else 0)

    def counted(self) -> dict[str, str | int]:
        """What is known without the letters' standing."""
        return {
            "stage": self.stage,
            "reason": self.reason,
            "topic": self.topic,
            "letters": self.letters,
            "first": self.first.isoformat(timespec="milliseconds"),
            "last": self.last.isoformat(timespec="milliseconds"),
            "example": str(self.example),
        }

    def shown(self) -> dict[str, str | int | None]:
        """All of it."""
        return {
            **self.counted(),
            "attempts": self.attempts,
            "waiting": self.states["waiting"],
            "replayed": self.states["replayed"],
            "refused_again": self.states["refused_again"],
            "last_replay": iso(self.replayed_us, "milliseconds") if self.replayed_us else None,
        }


@dataclass
class Summary:
    """Counts letters by group, in bounded memory."""

    _groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)

    def add(self, letter: Letter, standing: Standing | None = None) -> None:
        """Count a letter; its attempts and its state where its standing is known."""
        kind = (letter.stage, letter.reason, letter.topic)
        if kind not in self._groups and len(self._groups) >= MAX_GROUPS:
            kind = _OTHER
        if kind not in self._groups:
            self._groups[kind] = Group(*kind, letter.place, letter.refused, letter.refused)
        self._groups[kind].add(letter, standing)

    def largest(self, limit: int) -> list[Group]:
        """The groups with the most letters, at most ``limit``."""
        return sorted(self._groups.values(), key=lambda group: (-group.letters, group.stage, group.reason))[:limit]

    def told(self) -> str:
        """Every letter of every group, in one line."""
        groups = self._groups.values()
        states = sum((group.states for group in groups), Counter[State]())
        said = ", ".join(f"{states[state]} {state.replace('_', ' ')}" for state in _STATES)
        return f"{sum(group.letters for group in groups)} letters, {sum(g.attempts for g in groups)} attempts: {said}"

    def told_without(self, reason: str) -> str:
        """Which reasons there are, where no letter has this one; nothing where one has it."""
        there = Counter[str]()
        for group in self._groups.values():
            there[group.reason] += group.letters
        if reason in there:
            return ""
        said = ", ".join(f"{each} {count}" for each, count in there.most_common()) or "no letters at all"
        return f"no letter has the reason {reason!r}: there are {said}"


_STATES: tuple[State, ...] = ("waiting", "replayed", "refused_again")


def as_table(groups: Iterable[Group], width: int) -> "Table":
    """Groups for people, within a width."""
    return table(_COLUMNS, [_row(group.shown()) for group in groups], width)


def _row(shown: dict[str, str | int | None]) -> Sequence[str]:
    found = [shown[column.title.replace(" ", "_")] for column in _COLUMNS]
    return [f"{cell:,}" if isinstance(cell, int) else cell or "" for cell in found]
