"""Which trade ids of a symbol are accounted for: all between the first and the highest but those in its gaps."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from k2_shared.feed.coverage.blocks import Blocks, Place
from k2_shared.feed.coverage.feed_records import Cause, now_us

_NOTHING = (-1, Cause.SILENT_DROP)


class TradeVerdict(Enum):
    """What a trade is to the coverage of its symbol, by its id."""

    NEW = auto()  # above every id so far
    FILLS = auto()  # was missing
    KNOWN = auto()  # was there, or is older than the coverage
    RESET = auto()  # the venue numbers otherwise than before


@dataclass(frozen=True, slots=True)
class CoverageLimits:
    """When an id no longer continues the numbering of its symbol."""

    jump_ids: int = 50_000_000  # up
    back_ids: int = 1_000  # down, while the exchange's time
    back_us: int = 1_000_000  # goes up


class Gap(NamedTuple):
    """A range of missing ids. Times are the wall clock's in µs; ``after_us`` is the exchange's time before the gap."""

    first: int
    last: int
    cause: Cause
    opened_at: int
    after_us: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of a gap, both ends included, that was found or given up, or may be."""

    gap: Gap
    first: int
    last: int


class Gaps(Blocks[Gap]):
    """Gaps by ascending ids; ``changes`` grows with every change."""

    def __init__(self, gaps: Iterable[Gap] = ()) -> None:
        super().__init__(gaps)
        self.changes = 0

    def put(self, place: Place, new: Sequence[Gap]) -> None:
        self.changes += 1
        super().put(place, new)

    def add(self, gap: Gap) -> None:
        """Add a gap of ids that are in no other."""
        self.put(self.place(gap.first, gap.last), [gap])

    def find(self, trade_id: int) -> Gap | None:
        """The gap that an id is in."""
        found = self.at(self.place(trade_id, trade_id))
        return found[0] if found else None

    def parts(self, first: int, last: int) -> list[Settled]:
        """The parts of gaps that lie in a range."""
        return [_part(gap, first, last) for gap in self.at(self.place(first, last))]

    def cut(self, first: int, last: int) -> list[Settled]:
        """Remove a range of ids from the gaps; returns the parts that were missing."""
        place = self.place(first, last)
        hit = self.at(place)
        if hit:
            ends = (hit[0]._replace(last=first - 1), hit[-1]._replace(first=last + 1))
            self.put(place, [gap for gap in ends if gap.first <= gap.last])
        return [_part(gap, first, last) for gap in hit]


def _part(gap: Gap, first: int, last: int) -> Settled:
    return Settled(gap, max(gap.first, first), min(gap.last, last))


@dataclass
class Coverage:
    """Which ids of one symbol are there. ``high_us`` is the exchange's time of the highest, in µs."""

    limits: CoverageLimits = field(default_factory=CoverageLimits)
    first: int = 0
    high: int = 0
    high_us: int = 0
    gaps: Gaps = field(default_factory=Gaps)
    stopped_at: int = 0  # when the venue's ids were reset, in µs; 0 while they are in order
    reset_to: int = 0  # the first id that did not continue the series
    reset_us: int = 0  # the exchange's time of that trade
    began_at: int = 0  # when the venue's present numbering was accepted, in µs; 0 for the first one
    since_us: int = 0  # the exchange's time from which on it numbers so; older trades are of the numbering before
    fresh: bool = False  # its first ids were read back from bronze, and may be in any order
    clock: Callable[[], int] = now_us
    _expected: tuple[int, Cause] = (0, Cause.RESTART)  # the highest id before a gap, and what that is owed to
    _opened: deque[Gap] = field(init=False)  # in this order, and not yet asked for by ``lasting``

    def __post_init__(self) -> None:
        self._opened = deque(self.gaps)

    @property
    def begun(self) -> bool:
        """Whether the coverage has a first id."""
        return self.first > 0

    def begin(self, first: int) -> None:
        """Begin the coverage at an id: from it on every id is there or missing."""
        self.first, self.high = first, first - 1
        self._expected = _NOTHING

    @property
    def awaiting(self) -> bool:
        """Whether nothing has come since a gap was expected."""
        return self._expected[0] == self.high

    def expect(self, cause: Cause) -> None:
        """Set the cause of a gap that may open right after the highest id."""
        self._expected = (self.high, cause)

    def offer(self, trade_id: int, timestamp: int) -> TradeVerdict:
        """Account for an id that is there; what lies between it and the highest becomes a gap."""
        if trade_id == self.high + 1:
            self.high, self.high_us = trade_id, timestamp
            return TradeVerdict.NEW
        if timestamp < self.since_us:
            return TradeVerdict.KNOWN
        if trade_id > self.high:
            return self._jump(trade_id, timestamp)
        if self.gaps and self.missing(trade_id):
            return TradeVerdict.FILLS
        if trade_id < 1:
            return TradeVerdict.KNOWN  # no id at all: for silver to refuse
        lead_us = timestamp - self.high_us
        falls = self.high - trade_id >= self.limits.back_ids and lead_us >= self.limits.back_us
        return TradeVerdict.RESET if falls else TradeVerdict.KNOWN

    def missing(self, trade_id: int) -> bool:
        """Whether an id lies in a gap."""
        return self.gaps.find(trade_id) is not None

    def reach(self, trade_id: int) -> None:
        """Extend the coverage up to an id that the venue has assigned; the ids above the highest become a gap."""
        if trade_id > self.high:
            self._open(self.high + 1, trade_id)
            self.high = trade_id

    def reopen(self, first: int) -> None:
        """Extend the coverage down to an older id; the ids between it and the first become a gap."""
        if self.begun and first < self.first:
            self._add(Gap(first, self.first - 1, Cause.REQUEST, self.clock(), 0))
            self.first = first

    def settle(self, first: int, last: int) -> list[Settled]:
        """Account for a range; returns the parts of it that were missing."""
        return self.gaps.cut(first, last) if self.gaps else []

    def lasting(self, by: int, most: int) -> Iterator[Gap]:
        """The remains of gaps opened by a time in µs, each given once, and at most ``most`` gaps a call."""
        for _ in range(min(most, len(self._opened))):
            if self._opened[0].opened_at > by:
                return
            gap = self._opened.popleft()
            yield from self.gaps.at(self.gaps.place(gap.first, gap.last))

    def urgent(self, by: int) -> Gap | None:
        """The gap to fill first of those that were opened by a time; None where there is none.

        What was lost comes before history that was asked for, which lies below it; of either the lowest.
        """
        lost = self.gaps.first_where(lambda gap: gap.cause is not Cause.REQUEST)
        lowest = next(iter(self.gaps), None)
        return next((gap for gap in (lost, lowest) if gap and gap.opened_at <= by), None)

    def _jump(self, trade_id: int, timestamp: int) -> TradeVerdict:
        if trade_id - self.high > self.limits.jump_ids:
            return TradeVerdict.RESET
        self._open(self.high + 1, trade_id - 1)
        self.high, self.high_us = trade_id, timestamp
        return TradeVerdict.NEW

    def _open(self, first: int, last: int) -> None:
        high, cause = self._expected
        owed_to = cause if high == self.high else Cause.SILENT_DROP
        self._add(Gap(first, last, owed_to, self.clock(), self.high_us))

    def _add(self, gap: Gap) -> None:
        self.gaps.add(gap)
        self._opened.append(gap)
