"""The gap log: what its records say of each id, and how a feed writes them.

``GapFold`` is the one place that says what a gap record changes. The feed's own log, a start that reads the topic, the
statistics at ``GET /feeds`` and ``k2 gaps`` all fold by it.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from k2_shared.core.metrics import FeedMetrics
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.coverage import Coverage, Gap, Settled
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState, now_us
from k2_shared.feed.coverage.intervals import Interval, IntervalSet


class GapFold:
    """One symbol's gap records, folded: the ids by their last state, of the states that are ``kept``.

    The last record about an id counts, and one that repeats the state of an id changes nothing.
    """

    def __init__(self, kept: Collection[GapState] = (GapState.OPENED,)) -> None:
        self._ids = {state: IntervalSet() for state in kept}
        self.opened_at = 0  # of the newest range that was opened, in µs

    def __getitem__(self, state: GapState) -> IntervalSet:
        """The ids whose last record is of that state, which must be one of those kept."""
        return self._ids[state]

    @property
    def open(self) -> IntervalSet:
        """The ids that were opened and not settled since."""
        return self._ids[GapState.OPENED]

    def take(self, record: GapRecord) -> list[Interval]:
        """Fold one record in; returns the ranges of which it says something new. An empty range is about no id."""
        changed = self._changed(record)
        for state, ids in self._ids.items():
            if state is record.state:
                ids.add(record.first_id, record.last_id)
            else:
                ids.remove(record.first_id, record.last_id)
        if record.state is GapState.OPENED:
            self.opened_at = record.opened_at
        return changed

    def _changed(self, record: GapRecord) -> list[Interval]:
        if record.state in self._ids:
            return self._ids[record.state].without(record.first_id, record.last_id)
        return [(record.first_id, record.last_id)] if record.count > 0 else []


@dataclass
class GapLog:
    """Writes the gap records of one venue, and knows which ids of each symbol stand open in them.

    A gap that lasts is opened; each part of it is then filled or unfillable. ``put`` sends a record and may raise
    Unavailable.
    """

    exchange: Exchange
    put: Callable[[Outgoing], None]
    metrics: FeedMetrics
    _folds: dict[str, GapFold] = field(default_factory=dict)

    def resume(self, symbol: str, open_ids: IntervalSet) -> None:
        """Begin with the ids that an earlier run left open."""
        fold = self._folds[symbol] = GapFold()
        for interval in open_ids:
            fold.open.add(*interval)
        self._measure(symbol)

    def forget(self, symbol: str) -> None:
        """Drop a symbol that is captured no more, and its gauge; its gaps must be closed."""
        self._folds.pop(symbol, None)
        self.metrics.open_gap_ids.remove(self.exchange, symbol)

    def opened(self, symbol: str, gap: Gap) -> None:
        """Open those ids of a gap that are not open yet."""
        for first, last in self._open(symbol).without(gap.first, gap.last):
            self._write(symbol, GapState.OPENED, gap, first, last)

    def filled(self, symbol: str, settled: Iterable[Settled]) -> None:
        """Close the ids that were published; those that were never opened are not written."""
        for gap, first, last in _joined(settled):
            self._close(symbol, GapState.FILLED, gap, first, last)

    def unfillable(self, symbol: str, settled: Iterable[Settled]) -> None:
        """Close ids that the venue does not give; those that are not open are opened first."""
        for gap, first, last in _joined(settled):
            self.opened(symbol, Gap(first, last, gap.cause, gap.opened_at, gap.after_us))
            self._close(symbol, GapState.UNFILLABLE, gap, first, last)

    def reconcile(self, symbol: str, coverage: Coverage, found: GapFold) -> None:
        """Resume from the records of earlier runs, and close the ids that stand in bronze by now.

        A run may end after it published a trade and before it wrote that the gap is filled. Only ids within the
        coverage are known to stand in bronze; open ids below it are missing from now on.
        """
        self.resume(symbol, found.open)
        if not coverage.begun:
            return
        _reach_back(coverage, found.open)
        missing = IntervalSet((gap.first, gap.last) for gap in coverage.gaps)
        covered = found.open.within(coverage.first, coverage.high)
        for first, last in [part for interval in covered for part in missing.without(*interval)]:
            gap = Gap(first, last, Cause.RESTART, found.opened_at or now_us(), 0)
            self.filled(symbol, [Settled(gap, first, last)])

    def _open(self, symbol: str) -> IntervalSet:
        return self._folds.setdefault(symbol, GapFold()).open

    def _close(self, symbol: str, state: GapState, gap: Gap, first: int, last: int) -> None:
        for low, high in self._open(symbol).within(first, last):
            self._write(symbol, state, gap, low, high)

    def _write(self, symbol: str, state: GapState, gap: Gap, first: int, last: int) -> None:
        record = GapRecord(
            exchange=self.exchange,
            symbol=symbol,
            state=state,
            first_id=first,
            last_id=last,
            cause=gap.cause,
            opened_at=gap.opened_at,
            at=now_us(),
        )
        self._folds[symbol].take(record)
        self.put(feed_records.gaps.outgoing(record))
        self.metrics.gaps.labels(self.exchange, state).inc()
        self.metrics.gap_ids.labels(self.exchange, state).inc(record.count)
        self._measure(symbol)
        if state is GapState.FILLED:
            self.metrics.gap_fill.labels(self.exchange).observe(record.latency_s)

    def _measure(self, symbol: str) -> None:
        self.metrics.open_gap_ids.labels(self.exchange, symbol).set(len(self._folds[symbol].open))


def _joined(settled: Iterable[Settled]) -> Iterable[tuple[Gap, int, int]]:
    """Parts in ascending order, those that touch as one."""
    intervals, gaps = IntervalSet(), dict[int, Gap]()
    for part in settled:
        intervals.add(part.first, part.last)
        gaps[part.first] = part.gap
    return [(gaps[first], first, last) for first, last in intervals]


def _reach_back(coverage: Coverage, open_ids: IntervalSet) -> None:
    """Extend the coverage down to the lowest open id; the ids between that are not open count as there."""
    first = coverage.first
    lowest = min((interval[0] for interval in open_ids), default=first)
    coverage.reopen(lowest)
    for interval in open_ids.without(lowest, first - 1) if coverage.first < first else ():
        coverage.settle(*interval)
