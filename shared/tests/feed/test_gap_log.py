"""The gap log: what a record changes, what a feed writes, and what a new run closes of an earlier one's."""

from k2_shared.core.metrics import Metrics
from k2_shared.core.records import Outgoing
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.coverage import Coverage, Gap, Gaps, Settled
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.feed.coverage.gap_log import GapFold, GapLog

SYMBOL = "BTC/USD"


def record(state: GapState, first: int, last: int) -> GapRecord:
    """What was told of a range."""
    return GapRecord(
        exchange="KRAKEN", symbol=SYMBOL, state=state, first_id=first, last_id=last, cause=Cause.RESTART,
        opened_at=1, at=1,
    )  # fmt: skip


def told(*records: GapRecord) -> GapFold:
    """What these records say, as a start folds them."""
    found = GapFold((GapState.OPENED, GapState.UNFILLABLE))
    for each in records:
        found.take(each)
    return found


class Written:
    """A gap log whose records are kept here."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.metrics = Metrics("test", "0")
        self.log = GapLog("KRAKEN", self.sent.append, self.metrics.feed)

    def records(self) -> list[tuple[str, int, int]]:
        read = [feed_records.gaps.read(each.value) for each in self.sent]
        return [(each.state, each.first_id, each.last_id) for each in read]

    def open_ids(self) -> float | None:
        labels = {"exchange": "KRAKEN", "symbol": SYMBOL}
        return self.metrics.registry.get_sample_value("k2_feed_open_gap_ids", labels)


def said(coverage: Coverage, known: GapFold) -> list[tuple[str, int, int]]:
    """What reconciling writes."""
    written = Written()
    written.log.reconcile(SYMBOL, coverage, known)
    return written.records()


def gap(first: int, last: int) -> Gap:
    """A gap that was opened a moment after the epoch."""
    return Gap(first, last, Cause.RECONNECT, 1, 0)


def test_a_fold_says_what_a_record_changes() -> None:
    """A state that is repeated changes nothing; the newest one of an id counts."""
    fold = GapFold(tuple(GapState))
    assert fold.take(record(GapState.OPENED, 10, 20)) == [(10, 20)]
    assert fold.take(record(GapState.OPENED, 5, 12)) == [(5, 9)]
    assert fold.take(record(GapState.FILLED, 8, 10)) == [(8, 10)]
    assert fold.take(record(GapState.UNFILLABLE, 10, 11)) == [(10, 11)]
    assert list(fold.open) == [(5, 7), (12, 20)]
    assert (list(fold[GapState.FILLED]), list(fold[GapState.UNFILLABLE])) == ([(8, 9)], [(10, 11)])


def test_of_a_state_that_is_not_kept_every_record_is_new() -> None:
    """The statistics count what was filled also where it was opened before they began; an empty range is nothing."""
    fold = GapFold()
    assert fold.take(record(GapState.FILLED, 1, 5)) == fold.take(record(GapState.FILLED, 1, 5)) == [(1, 5)]
    assert fold.take(record(GapState.FILLED, 5, 4)) == []


def test_a_gap_is_opened_once_and_closed_in_parts() -> None:
    """Ids that were never opened are not written as filled; those that are unfillable are opened first."""
    written = Written()
    for first, last in ((10, 20), (15, 25)):
        written.log.opened(SYMBOL, gap(first, last))
    assert written.open_ids() == 16
    written.log.filled(SYMBOL, [Settled(gap(10, 20), 19, 20), Settled(gap(10, 20), 18, 18), Settled(gap(1, 9), 1, 9)])
    written.log.unfillable(SYMBOL, [Settled(gap(24, 30), 24, 30)])
    assert written.records() == [
        *[("opened", 10, 20), ("opened", 21, 25), ("filled", 18, 20)],
        *[("opened", 26, 30), ("unfillable", 24, 30)],
    ]
    assert written.open_ids() == 8 + 3


def test_a_symbol_that_is_forgotten_has_no_gauge() -> None:
    """What is opened of it afterwards begins anew."""
    written = Written()
    written.log.opened(SYMBOL, gap(10, 20))
    written.log.forget(SYMBOL)
    assert written.open_ids() is None
    written.log.opened(SYMBOL, gap(10, 10))
    assert written.open_ids() == 1


def missing(coverage: Coverage) -> list[tuple[int, int]]:
    """What the coverage misses."""
    return [(gap.first, gap.last) for gap in coverage.gaps]


def test_what_stands_in_bronze_is_told_to_be_filled() -> None:
    """The last process published it, and ended before it said so; what is still missing stays open."""
    coverage = Coverage(first=1, high=100, gaps=Gaps([Gap(40, 50, Cause.RECONNECT, 1, 0)]))
    assert said(coverage, told(record(GapState.OPENED, 30, 60))) == [("filled", 30, 39), ("filled", 51, 60)]
    assert missing(coverage) == [(40, 50)]


def test_ids_above_the_coverage_stay_open() -> None:
    """A process may tell what REST has shown it, and end before a checkpoint knows of it."""
    coverage = Coverage(first=1, high=100)
    assert said(coverage, told(record(GapState.OPENED, 95, 5_000))) == [("filled", 95, 100)]


def test_ids_below_the_coverage_are_asked_for_again() -> None:
    """Somebody asked for them, and the process ended before a checkpoint knew; what was settled is left alone."""
    coverage = Coverage(first=1_000, high=2_000)
    known = told(record(GapState.OPENED, 50, 999), record(GapState.FILLED, 300, 400))
    assert said(coverage, known) == []
    assert (coverage.first, missing(coverage)) == (50, [(50, 299), (401, 999)])


def test_nothing_is_said_of_a_symbol_that_has_not_begun() -> None:
    """It holds no id, so none can be said to be there."""
    assert said(Coverage(), told(record(GapState.OPENED, 50, 999))) == []


def test_what_was_given_up_and_asked_for_again_is_open() -> None:
    """The newest word counts."""
    known = told(
        record(GapState.OPENED, 100, 200), record(GapState.UNFILLABLE, 100, 200), record(GapState.OPENED, 50, 999)
    )
    assert (list(known.open), list(known[GapState.UNFILLABLE])) == ([(50, 999)], [])
