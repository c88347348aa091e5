"""Which ids are accounted for: ranges, coverage, and what a frame's trades are to it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.coverage import Coverage, Gap, TradeVerdict
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.coverage.intervals import IntervalSet
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_support.records import trade

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda each: (each[0], sum(each))), max_size=12)


def ids(intervals: IntervalSet) -> set[int]:
    return {number for first, last in intervals for number in range(first, last + 1)}


@given(RANGES, RANGES, st.tuples(st.integers(1, 70), st.integers(0, 30)))
def test_an_interval_set_is_the_set_of_its_ids(
    added: list[tuple[int, int]], removed: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    """Adding, removing and asking say what a set of ids says, and ranges never touch."""
    intervals, model = IntervalSet(added), {n for first, last in added for n in range(first, last + 1)}
    for first, last in removed:
        intervals.remove(first, last)
        model -= set(range(first, last + 1))
    assert ids(intervals) == model
    assert len(intervals) == len(model)
    ranges = list(intervals)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    first, last = asked[0], sum(asked)
    window = set(range(first, last + 1))
    assert ids(IntervalSet(intervals.within(first, last))) == model & window
    assert ids(IntervalSet(intervals.without(first, last))) == window - model
    assert (first in intervals) == (first in model)


def missing(coverage: Coverage) -> set[int]:
    return {n for gap in coverage.gaps for n in range(gap.first, gap.last + 1)}


@given(st.lists(st.integers(100, 160), min_size=1))
def test_every_id_between_the_first_and_the_highest_is_there_or_in_a_gap(offered: list[int]) -> None:
    """In whatever order ids come, and however often, nothing between the ends is forgotten."""
    coverage = Coverage()
    coverage.begin(offered[0])
    for number in offered:
        if coverage.offer(number, 0) is TradeVerdict.FILLS:
            coverage.settle(number, number)
    there = {number for number in offered if number >= offered[0]}
    assert coverage.high == max(there)
    assert missing(coverage) == set(range(offered[0], max(there))) - there


@pytest.fixture
def coverage() -> Coverage:
    """Ids 10 to 12."""
    coverage = Coverage()
    coverage.begin(10)
    for number in (10, 11, 12):
        coverage.offer(number, 1_000 * number)
    return coverage


def test_a_gap_knows_what_it_is_owed_to_and_the_time_before_it(coverage: Coverage) -> None:
    """The expected cause holds for what is missing right after the highest id, and for nothing later."""
    coverage.expect(Cause.RECONNECT)
    coverage.clock = iter([7, 8]).__next__
    coverage.offer(15, 15_000)
    coverage.offer(17, 17_000)
    assert list(coverage.gaps) == [Gap(13, 14, Cause.RECONNECT, 7, 12_000), Gap(16, 16, Cause.SILENT_DROP, 8, 15_000)]


def test_a_part_of_a_gap_can_be_settled(coverage: Coverage) -> None:
    """What is left keeps the gap's cause and time."""
    assert coverage.gaps.find(13) is None
    coverage.offer(20, 0)
    (gap,) = coverage.gaps
    (settled,) = coverage.settle(15, 16)
    assert (settled.gap, settled.first, settled.last) == (gap, 15, 16)
    assert list(coverage.gaps) == [gap._replace(last=14), gap._replace(first=17)]
    assert coverage.settle(15, 16) == []
    left = [(part.gap, part.first, part.last) for part in coverage.gaps.parts(14, 17)]
    assert left == [(gap._replace(last=14), 14, 14), (gap._replace(first=17), 17, 17)]


def test_what_the_venue_has_assigned_is_missing(coverage: Coverage) -> None:
    """REST's newest id opens a gap; one that is known opens none."""
    coverage.reach(12)
    assert not coverage.gaps
    coverage.reach(14)
    assert missing(coverage) == {13, 14}
    assert coverage.offer(15, 0) is TradeVerdict.NEW


def test_history_can_be_asked_for(coverage: Coverage) -> None:
    """An older beginning makes a gap before the first id."""
    coverage.clock = lambda: 5
    coverage.reopen(8)
    assert list(coverage.gaps) == [Gap(8, 9, Cause.REQUEST, 5, 0)]
    coverage.reopen(9)
    assert coverage.first == 8


@pytest.mark.parametrize(
    ("trade_id", "later_us", "verdict"),
    [
        (100_012, 10, TradeVerdict.NEW),
        (60_000_000, 10, TradeVerdict.RESET),
        (11, 0, TradeVerdict.KNOWN),
        (11, 5_000_000, TradeVerdict.KNOWN),
        (0, 5_000_000, TradeVerdict.KNOWN),
        (-5, 5_000_000, TradeVerdict.KNOWN),
    ],
)
def test_a_reset_is_a_leap_of_the_ids(coverage: Coverage, trade_id: int, later_us: int, verdict: TradeVerdict) -> None:
    """Far up; what is no id, or a little below, is not one."""
    assert coverage.offer(trade_id, coverage.high_us + later_us) is verdict


@pytest.mark.parametrize(("later_us", "verdict"), [(5_000_000, TradeVerdict.RESET), (0, TradeVerdict.KNOWN)])
def test_a_fall_of_the_ids_is_a_reset_where_the_time_goes_on(later_us: int, verdict: TradeVerdict) -> None:
    """An old trade once more has its old time."""
    coverage = Coverage()
    coverage.begin(5_000)
    coverage.offer(5_000, 1_000)
    assert coverage.offer(1, 1_000 + later_us) is verdict


def series(*numbers: int, **fields: object) -> list[Trade]:
    return [trade(trade_id=number, **fields) for number in numbers]


@pytest.fixture
def tracker() -> SymbolTracker:
    """A tracker that has begun a symbol with ids 1 and 2 from socket 1."""
    tracker = SymbolTracker(window=8)
    tracker.add(trade().symbol)
    tracker.take(series(1, 2), connection=1)
    return tracker


def test_a_copy_from_another_socket_is_suppressed(tracker: SymbolTracker) -> None:
    """Equal price, quantity and side, inside the window; the socket's own repeat is published."""
    assert tracker.take(series(2), connection=2) == []
    assert tracker.suppressed == 1
    assert tracker.take(series(2), connection=1) == series(2)


@pytest.mark.parametrize("field", ["price", "quantity", "side"])
def test_a_copy_with_other_facts_is_published(tracker: SymbolTracker, field: str) -> None:
    """Gold decides which one counts."""
    first = trade(trade_id=2)
    other = (
        {"side": "SELL" if first.side == "BUY" else "BUY"} if field == "side" else {field: getattr(first, field) + 1}
    )
    assert len(tracker.take(series(2, **other), connection=2)) == 1


def test_a_copy_beyond_the_window_is_published(tracker: SymbolTracker) -> None:
    """The window is bounded; gold drops the repeat."""
    tracker.take(series(*range(3, 12)), connection=1)
    assert tracker.take(series(2), connection=2) == series(2)
    assert tracker.take(series(11), connection=2) == []


def test_a_late_trade_fills_its_gap(tracker: SymbolTracker) -> None:
    """Whichever socket brings it, it is published once and the gap is gone."""
    tracker.take(series(4), connection=1)
    assert tracker.take(series(3), connection=2) == series(3)
    assert tracker.take(series(3), connection=1) == []
    found = tracker.symbols[trade().symbol]
    assert [(part.first, part.last) for part in found.settled] == [(3, 3)]
    assert not found.coverage.gaps


def test_a_reset_stops_the_symbol(tracker: SymbolTracker) -> None:
    """Nothing of it is published from then on, whatever its ids are."""
    assert tracker.take(series(90_000_000), connection=1) == []
    assert tracker.take(series(3), connection=1) == []
    assert tracker.stopped == series(90_000_000, 3)
    assert tracker.symbols[trade().symbol].coverage.reset_to == 90_000_000


def test_after_an_accepted_reset_old_trades_are_of_the_old_numbering() -> None:
    """A snapshot shows the last ones of it beside the first of the new; they are published and count for nothing."""
    tracker = SymbolTracker(window=8)
    coverage = tracker.add(trade().symbol, Coverage(began_at=1, since_us=5_000)).coverage
    old = series(900_001, 900_002, timestamp=4_000)
    assert tracker.take(old, connection=1) == old
    assert not coverage.begun
    mixed = [*old, *series(1, 2, timestamp=5_000)]
    assert tracker.take(mixed, connection=2) == mixed[2:]
    assert (coverage.first, coverage.high, list(coverage.gaps), tracker.stopped) == (1, 2, [], [])


def test_a_symbol_begins_with_the_lowest_id_of_its_first_frame() -> None:
    """A snapshot may come in any order."""
    tracker = SymbolTracker(window=8)
    coverage = tracker.add(trade().symbol).coverage
    assert len(tracker.take(series(9, 8, 7), connection=1)) == 3
    assert (coverage.first, coverage.high, missing(coverage)) == (7, 9, {8} - {8})


def test_a_range_holds_its_ends_and_nothing_beside_them() -> None:
    """Membership is by id; a range that ends before it begins is none."""
    intervals = IntervalSet([(3, 5), (9, 8)])
    assert [number in intervals for number in (2, 3, 5, 6, 8, 9)] == [False, True, True, False, False, False]
    assert intervals.without(1, 7) == [(1, 2), (6, 7)]
    assert intervals.without(3, 4) == []


def test_a_gap_is_awaited_until_something_comes(coverage: Coverage) -> None:
    """What comes next tells whether there is one."""
    coverage.expect(Cause.RESTART)
    assert coverage.awaiting
    coverage.offer(coverage.high + 1, 0)
    assert not coverage.awaiting
