"""What a new process makes of a ledger that the last one left: it closes what stands in bronze, and nothing else."""

from k2_shared.core.records import Outgoing
from k2_shared.core.telemetry import Metrics
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.coverage import Coverage, Gap, Gaps
from k2_shared.feed.coverage.ledger import Cause, GapRecord, GapState
from k2_shared.feed.coverage.store import Ledger
from k2_shared.feed.run.epoch import reconcile
from k2_shared.feed.run.teller import Teller

SYMBOL = "BTC/USD"


def record(state: GapState, first: int, last: int) -> GapRecord:
    """What was told of a range."""
    return GapRecord(
        exchange="KRAKEN", symbol=SYMBOL, state=state, first_id=first, last_id=last, cause=Cause.RESTART,
        opened_at=1, at=1,
    )  # fmt: skip


def told(*records: GapRecord) -> Ledger:
    """A ledger of these records."""
    found = Ledger()
    for each in records:
        found.take(each)
    return found


def said(coverage: Coverage, known: Ledger) -> list[tuple[str, int, int]]:
    """What reconciling tells."""
    sent: list[Outgoing] = []
    reconcile(Teller("KRAKEN", sent.append, Metrics("test", "0").feed), SYMBOL, coverage, known)
    read = [ledger.gaps.read(each.value) for each in sent]
    return [(each.state, each.first_id, each.last_id) for each in read]


def spans(coverage: Coverage) -> list[tuple[int, int]]:
    """What the coverage misses."""
    return [(gap.first, gap.last) for gap in coverage.gaps]


def test_what_stands_in_bronze_is_told_to_be_filled() -> None:
    """The last process published it, and ended before it said so; what is still missing stays open."""
    coverage = Coverage(first=1, high=100, gaps=Gaps([Gap(40, 50, Cause.RECONNECT, 1, 0)]))
    assert said(coverage, told(record(GapState.OPENED, 30, 60))) == [("filled", 30, 39), ("filled", 51, 60)]
    assert spans(coverage) == [(40, 50)]


def test_ids_above_the_coverage_stay_open() -> None:
    """A process may tell what REST has shown it, and end before a checkpoint knows of it."""
    coverage = Coverage(first=1, high=100)
    assert said(coverage, told(record(GapState.OPENED, 95, 5_000))) == [("filled", 95, 100)]


def test_ids_below_the_coverage_are_asked_for_again() -> None:
    """Somebody asked for them, and the process ended before a checkpoint knew; what was settled is left alone."""
    coverage = Coverage(first=1_000, high=2_000)
    known = told(record(GapState.OPENED, 50, 999), record(GapState.FILLED, 300, 400))
    assert said(coverage, known) == []
    assert (coverage.first, spans(coverage)) == (50, [(50, 299), (401, 999)])


def test_nothing_is_said_of_a_symbol_that_has_not_begun() -> None:
    """It holds no id, so none can be said to be there."""
    assert said(Coverage(), told(record(GapState.OPENED, 50, 999))) == []


def test_what_was_given_up_and_asked_for_again_is_open() -> None:
    """The newest word counts."""
    known = told(
        record(GapState.OPENED, 100, 200), record(GapState.UNFILLABLE, 100, 200), record(GapState.OPENED, 50, 999)
    )
    assert (list(known.open), list(known.unfillable)) == ([(50, 999)], [])
