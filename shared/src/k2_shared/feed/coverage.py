"""Which trade ids of a symbol are accounted for: all between the first and the highest but those in its gaps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from k2_shared.feed.ledger import Cause, now_us

_NOTHING = (-1, Cause.SILENT_DROP)


class Verdict(Enum):
    """What an id is to its coverage."""

    NEW = auto()  # above every id so far
    FILLS = auto()  # was missing
    KNOWN = auto()  # was there, or is older than the coverage
    RESET = auto()  # the venue numbers otherwise than before


@dataclass(frozen=True, slots=True)
class Limits:
    """When an id is no continuation of its series any more."""

    jump_ids: int = 50_000_000  # up
    back_ids: int = 1_000  # down, while the exchange's time
    back_us: int = 1_000_000  # goes up


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of missing ids. Times are the wall clock's in µs; ``after_us`` is the exchange's time before the gap."""

    first: int
    last: int
    cause: Cause
    opened_at: int
    after_us: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of a gap that is missing no more."""

    gap: Gap
    first: int
    last: int


@dataclass
class Coverage:
    """One symbol's ids. ``high_us`` is the exchange's time of the highest, in µs."""

    limits: Limits = field(default_factory=Limits)
    first: int = 0
    high: int = 0
    high_us: int = 0
    gaps: list[Gap] = field(default_factory=list)
    stopped_at: int = 0  # when the venue's ids were reset, in µs; 0 while they are in order
    reset_to: int = 0  # the first id that did not continue the series
    reset_us: int = 0  # the exchange's time of that trade
    began_at: int = 0  # when the venue's present numbering was accepted, in µs; 0 for the first one
    since_us: int = 0  # the exchange's time from which on it numbers so; older trades are of the numbering before
    fresh: bool = False  # its first ids were read back from bronze, and may be in any order
    clock: Callable[[], int] = now_us
    _expected: tuple[int, Cause] = (0, Cause.RESTART)  # the highest id before a gap, and what that is owed to

    @property
    def begun(self) -> bool:
        """Whether there is an id at all."""
        return self.first > 0

    def begin(self, first: int) -> None:
        """Be responsible from an id on."""
        self.first, self.high = first, first - 1
        self._expected = _NOTHING

    @property
    def awaiting(self) -> bool:
        """Whether nothing has come since a gap was expected."""
        return self._expected[0] == self.high

    def expect(self, cause: Cause) -> None:
        """Name what a gap right after the highest id will be owed to."""
        self._expected = (self.high, cause)

    def offer(self, trade_id: int, timestamp: int) -> Verdict:
        """Account for an id that is there; what lies between it and the highest becomes a gap."""
        if trade_id == self.high + 1:
            self.high, self.high_us = trade_id, timestamp
            return Verdict.NEW
        if timestamp < self.since_us:
            return Verdict.KNOWN
        if trade_id > self.high:
            return self._jump(trade_id, timestamp)
        if self.gaps and self.missing(trade_id):
            return Verdict.FILLS
        if trade_id < 1:
            return Verdict.KNOWN  # no id at all: for silver to refuse
        lead_us = timestamp - self.high_us
        falls = self.high - trade_id >= self.limits.back_ids and lead_us >= self.limits.back_us
        return Verdict.RESET if falls else Verdict.KNOWN

    def missing(self, trade_id: int) -> bool:
        """Whether an id lies in a gap."""
        return any(gap.first <= trade_id <= gap.last for gap in self.gaps)

    def reach(self, trade_id: int) -> None:
        """The venue has assigned every id up to this one: what is above the highest is missing."""
        if trade_id > self.high:
            self._open(self.high + 1, trade_id)
            self.high = trade_id

    def reopen(self, first: int) -> None:
        """Be responsible from an older id on: what lies before the first is missing."""
        if self.begun and first < self.first:
            self.gaps.insert(0, Gap(first, self.first - 1, Cause.REQUEST, self.clock(), 0))
            self.first = first

    def settle(self, first: int, last: int) -> list[Settled]:
        """Account for a range; returns the parts of it that were missing."""
        settled, kept = list[Settled](), list[Gap]()
        for gap in self.gaps:
            low, high = max(gap.first, first), min(gap.last, last)
            if low > high:
                kept.append(gap)
                continue
            settled.append(Settled(gap, low, high))
            kept += _rest(gap, low, high)
        self.gaps = kept
        return settled

    def _jump(self, trade_id: int, timestamp: int) -> Verdict:
        if trade_id - self.high > self.limits.jump_ids:
            return Verdict.RESET
        self._open(self.high + 1, trade_id - 1)
        self.high, self.high_us = trade_id, timestamp
        return Verdict.NEW

    def _open(self, first: int, last: int) -> None:
        high, cause = self._expected
        owed_to = cause if high == self.high else Cause.SILENT_DROP
        self.gaps.append(Gap(first, last, owed_to, self.clock(), self.high_us))


def _rest(gap: Gap, first: int, last: int) -> Iterator[Gap]:
    """What is left of a gap without a part of it."""
    if gap.first < first:
        yield replace(gap, last=first - 1)
    if last < gap.last:
        yield replace(gap, first=last + 1)
