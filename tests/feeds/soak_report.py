"""What a long run shows in the end: a table for people, one line for programs, and the verdict."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.feeds.soak_rig import Rig
from tests.feeds.soak_watch import Ids, overlap
from tests.feeds.venue_accounts import Account, due

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.intervals import Interval, IntervalSet

_SHOWN, _SYMBOLS = 5, 12
_SUMMED = ("assigned", "published", "backfilled", "quarantined", "unfillable", "open", "repeated")


@dataclass(frozen=True)
class SoakLine:
    """One symbol's ids from the feed's first on, each in the first of the four that it is in."""

    venue: Exchange
    symbol: str
    assigned: int
    published: int
    quarantined: int
    unfillable: int
    unaccounted: list[Interval]
    given_up: list[Interval]  # unfillable, although REST has them
    open: int
    backfilled: int
    repeated: int

    @property
    def broken(self) -> bool:
        """Whether an id of it was lost, given up for nothing, or is still awaited."""
        return bool(self.unaccounted or self.given_up or self.open)


def line(venue: Exchange, symbol: str, assigned: list[Interval], hidden: list[Interval], account: Account) -> SoakLine:
    """Hold an account against what its venue assigned, and what REST never has."""
    wanted = IntervalSet(due(assigned, account))
    rest, parts = IntervalSet(wanted), list[IntervalSet]()
    for known in (account.published, account.quarantined, account.unfillable):
        parts.append(overlap(rest, known))
        for interval in parts[-1]:
            rest.remove(*interval)
    given_up = IntervalSet(parts[2])
    for interval in hidden:
        given_up.remove(*interval)
    return SoakLine(
        venue=venue,
        symbol=symbol,
        assigned=len(wanted),
        published=len(parts[0]),
        quarantined=len(parts[1]),
        unfillable=len(parts[2]),
        unaccounted=list(rest),
        given_up=list(given_up),
        open=len(overlap(wanted, account.open)),
        backfilled=account.rest_records,
        repeated=account.repeated,
    )


async def lines(rig: Rig, assigned: Ids) -> list[SoakLine]:
    """A line for each symbol."""
    return [
        line(venue, symbol, list(intervals), await rig.hidden(venue, symbol), _account(rig, venue, symbol))
        for venue, of in assigned.items()
        for symbol, intervals in of.items()
    ]


def _account(rig: Rig, venue: Exchange, symbol: str) -> Account:
    return rig.records.feeds[venue].accounts.get(symbol, Account())


@dataclass
class Report:
    """The outcome of a run; ``failed`` are sentences about what went otherwise than it must."""

    seed: int
    lines: list[SoakLine] = field(default_factory=list)
    faults: Mapping[str, int] = field(default_factory=Counter)
    never_struck: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        lost = any(each.broken for each in self.lines)
        astray = self.more.get("gold_repeated", 0) or self.more.get("gold_missing", 0)
        return not (lost or astray or self.never_struck or self.failed) and bool(self.lines)

    def show(self, console: Console) -> None:
        """The tables, and the line of JSON on stdout."""
        self._show_ids(console)
        self._show_faults(console)
        for sentence in self.failed:
            console.print(sentence, style="red")
        sys.stdout.write(json.dumps(self.summary()) + "\n")
        sys.stdout.flush()

    def summary(self) -> dict[str, Any]:
        """Everything in numbers."""
        return {
            **_summed(self.lines),
            "symbols": len(self.lines),
            "unaccounted": sum(_count(each.unaccounted) for each in self.lines),
            "given_up_wrongly": sum(_count(each.given_up) for each in self.lines),
            **self.more,
            "faults_injected": sum(self.faults.values()),
            "faults": dict(sorted(self.faults.items())),
            "never_struck": self.never_struck,
            "failed": self.failed,
            "seed": self.seed,
            "passed": self.passed,
        }

    def _show_ids(self, console: Console) -> None:
        """The symbols that trade most and those in trouble; the others as one."""
        table = Table("symbol", *_SUMMED, "unaccounted", "given up wrongly")
        shown = sorted(self.lines, key=lambda each: (not each.broken, -each.assigned))[:_SYMBOLS]
        for each in shown:
            numbers = [str(number) for number in _summed([each]).values()]
            table.add_row(f"{each.venue}:{each.symbol}", *numbers, _told(each.unaccounted), _told(each.given_up))
        others = [each for each in self.lines if each not in shown]
        numbers = [str(number) for number in _summed(others).values()]
        broken = sum(each.broken for each in others)
        table.add_row(f"{len(others)} others", *numbers, *[f"in {broken} symbols" if broken else "0"] * 2)
        console.print(table)

    def _show_faults(self, console: Console) -> None:
        table = Table("fault", "injected")
        for kind, count in sorted(self.faults.items()):
            table.add_row(kind, str(count), style="red" if kind in self.never_struck else None)
        console.print(table)


def _summed(of: list[SoakLine]) -> dict[str, int]:
    return {name: sum(asdict(each)[name] for each in of) for name in _SUMMED}


def _count(intervals: list[Interval]) -> int:
    return sum(last - first + 1 for first, last in intervals)


def _told(intervals: list[Interval]) -> str:
    shown = ", ".join(f"{first}-{last}" for first, last in intervals[:_SHOWN])
    return f"{_count(intervals)} {f'({shown})' if intervals else ''}".strip()
