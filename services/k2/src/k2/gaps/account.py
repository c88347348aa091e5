"""What became of every missing id, and when; pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.feed.coverage.gap_log import GapFold


@dataclass(frozen=True, slots=True)
class AccountedGap:
    """A range of missing ids, both ends included, that became of one state; times in microseconds since the epoch.

    ``settled_at`` is when the last of it was filled or given up; None while it is open.
    """

    exchange: Exchange
    symbol: str
    state: GapState
    first_id: int
    last_id: int
    cause: Cause
    opened_at: int
    settled_at: int | None

    @property
    def count(self) -> int:
        """The number of ids in it."""
        return self.last_id - self.first_id + 1

    def latency_s(self, now: int) -> float:
        """Seconds from the opening until it was settled, or until ``now`` (µs since the epoch)."""
        return ((now if self.settled_at is None else self.settled_at) - self.opened_at) / 1e6


class SymbolAccount:
    """One symbol's gaps, disjoint and in ascending order, built from its gap records one after another."""

    def __init__(self) -> None:
        self._fold = GapFold(tuple(GapState))
        self._gaps: list[AccountedGap] = []

    def __iter__(self) -> Iterator[AccountedGap]:
        return iter(self._gaps)

    def add(self, record: GapRecord) -> None:
        """Take a record into account.

        A gap that is opened again after a restart keeps the time and the cause of its first opening.
        """
        for first_id, last_id in self._fold.take(record):
            self._put(_gap(record, first_id, last_id))

    def _put(self, new: AccountedGap) -> None:
        """Replace what was said of these ids, and unite what is one gap."""
        at = self._touching(new.first_id - 1, new.last_id + 1)
        pieces = [piece for gap in self._gaps[at] for piece in _outside(gap, new)]
        merged: list[AccountedGap] = []
        for piece in sorted([*pieces, new], key=lambda gap: gap.first_id):
            if merged and _is_one(merged[-1], piece):
                piece = _united(merged.pop(), piece)
            merged.append(piece)
        self._gaps[at] = merged

    def _touching(self, first_id: int, last_id: int) -> slice:
        """Where the gaps stand that share an id with a range."""
        low = bisect_left(self._gaps, first_id, key=lambda gap: gap.last_id)
        return slice(low, bisect_right(self._gaps, last_id, lo=low, key=lambda gap: gap.first_id))


def _gap(record: GapRecord, first_id: int, last_id: int) -> AccountedGap:
    settled_at = None if record.state is GapState.OPENED else record.at
    return AccountedGap(
        record.exchange, record.symbol, record.state, first_id, last_id, record.cause, record.opened_at, settled_at
    )


def _outside(gap: AccountedGap, new: AccountedGap) -> Iterator[AccountedGap]:
    """The parts of a gap that do not lie in the new one."""
    if gap.first_id < new.first_id:
        yield replace(gap, last_id=min(gap.last_id, new.first_id - 1))
    if gap.last_id > new.last_id:
        yield replace(gap, first_id=max(gap.first_id, new.last_id + 1))


def _is_one(low: AccountedGap, high: AccountedGap) -> bool:
    """Whether two ranges are neighbours with the same state, cause and opening."""
    kinds = {(gap.state, gap.cause, gap.opened_at) for gap in (low, high)}
    return low.last_id + 1 == high.first_id and len(kinds) == 1


def _united(low: AccountedGap, high: AccountedGap) -> AccountedGap:
    """Two pieces as one, settled when the later of them was."""
    times = [gap.settled_at for gap in (low, high) if gap.settled_at is not None]
    return replace(low, last_id=high.last_id, settled_at=max(times, default=None))


def account(records: Iterable[GapRecord]) -> list[AccountedGap]:
    """Every gap: the open ones first, the oldest first; then the settled ones, the newest first.

    A record of an empty range is about no id.
    """
    symbols: dict[tuple[str, str], SymbolAccount] = {}
    for record in records:
        symbols.setdefault((record.exchange, record.symbol), SymbolAccount()).add(record)
    return sorted((gap for each in symbols.values() for gap in each), key=_order)


def _order(gap: AccountedGap) -> tuple[bool, int, str, str, int]:
    is_settled = gap.settled_at is not None
    return is_settled, -(gap.settled_at or -gap.opened_at), gap.exchange, gap.symbol, gap.first_id
