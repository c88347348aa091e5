"""Hours of UTC, and what is to be done about one of a cold table, by what both tiers say of it; pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.cold.fingerprint import Fingerprint
from k2_shared.core.contracts import ColdTableContract

_HOUR = timedelta(hours=1)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN, _SHORT_MARGIN, _SHORT = timedelta(days=1), timedelta(hours=6), timedelta(days=2)
_WIDTHS = {f"gold_ohlcv_{each.name}": timedelta(microseconds=each.width_us) for each in TIMEFRAMES}


@dataclass(frozen=True, slots=True, order=True)
class Hour:
    """An hour of UTC by its number: hour 0 begins with 1970."""

    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Hour":
        """The hour that a moment is in.

        Raises:
            ValueError: the moment has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError(f"{moment} is in no hour: it has no time zone")
        return cls((moment - _FIRST) // _HOUR)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return _FIRST + self.number * _HOUR

    @property
    def end(self) -> datetime:
        """The first moment behind it."""
        return self.start + _HOUR

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Hours from ``first`` to ``last``, both included, and about how many rows the warm tier has of them."""

    first: Hour
    last: Hour
    rows: int


def chunks(rows: Mapping[Hour, int], first: Hour, last: Hour, most: int) -> Iterator[Chunk]:
    """Spans that follow one another from ``first`` to ``last``, of ``most`` rows each, or of one hour that has more."""
    begin, held = first, 0
    for hour, count in sorted(rows.items()):
        if held and held + count > most:
            yield Chunk(begin, Hour(hour.number - 1), held)
            begin, held = hour, 0
        held += count
    yield Chunk(begin, last, held)


class Verdict(Enum):
    """What is to be done about an hour: nothing but for TO_WRITE; of WOULD_SHRINK and EXPIRING it is told."""

    OPEN = "open"
    """Rows of it are still to come."""
    EXPIRING = "expiring"
    """A row of it has left the warm tier, or may any moment: nothing can be said of it."""
    EQUAL = "equal"
    """Both tiers have the same."""
    TO_WRITE = "to write"
    """Cold lacks it, or has something else."""
    WOULD_SHRINK = "would shrink"
    """Warm lacks keys or trades of candles that cold has, and none of its rows can have expired."""


@dataclass(frozen=True, slots=True)
class TierHour:
    """What one tier has of an hour; ``oldest`` is the earliest time by which a row of it is kept, where it says so."""

    fingerprint: Fingerprint
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Rule:
    """When an hour of a table is closed, and for how long its rows stand in the warm tier for certain.

    An hour is closed ``grace`` after the last of its rows' windows has ended; ``width`` is that of a window, none of a
    trade. Of a row that is ``retention`` less ``margin`` old, or older, nothing is certain.
    """

    width: timedelta
    grace: timedelta
    retention: timedelta
    margin: timedelta

    @classmethod
    def of(cls, contract: ColdTableContract, grace: timedelta) -> "Rule":
        """The rule of a cold table: the margin is a day, or 6 h where rows are kept for two days at most."""
        retention = timedelta(hours=contract.warm_retention_hours)
        margin = _SHORT_MARGIN if retention <= _SHORT else _MARGIN
        return cls(_WIDTHS.get(contract.name, timedelta()), grace, retention, margin)

    def is_closed(self, hour: Hour, now: datetime) -> bool:
        """Whether no row of an hour is to come any more, but for late ones."""
        return self.end_of(hour) + self.grace <= now

    def end_of(self, hour: Hour) -> datetime:
        """When the last of the windows that begin in an hour ends."""
        return max(hour.end, hour.start + self.width)

    def may_have_expired(self, oldest: datetime, now: datetime) -> bool:
        """Whether a row of that time may have left the warm tier, or is about to."""
        return now - oldest >= self.retention - self.margin


def judged(
    hour: Hour, rule: Rule, now: datetime, warm: TierHour | None, cold: TierHour | None, lacking: Callable[[], int]
) -> Verdict:
    """What is to be done about an hour. A tier that has no row of it is None.

    ``lacking`` counts the keys of which warm lacks something that cold has; it is asked where the tiers differ and
    cold has rows.
    """
    known = [tier.oldest for tier in (warm, cold) if tier and tier.oldest is not None]
    if not rule.is_closed(hour, now):
        return Verdict.OPEN
    if known and rule.may_have_expired(min(known), now):
        return Verdict.EXPIRING
    if (warm and warm.fingerprint) == (cold and cold.fingerprint):
        return Verdict.EQUAL
    if cold is None:
        return Verdict.TO_WRITE
    if warm is None and not known:
        return Verdict.EXPIRING  # as every hour of candles does in the end: cold does not say when they were written
    return Verdict.WOULD_SHRINK if lacking() else Verdict.TO_WRITE
