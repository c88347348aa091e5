"""A feed's work on a symbol with many open gaps, operation by operation; no I/O."""

import gc
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from k2_shared.core.metrics import Metrics
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.gap_filler import GapFiller, PageFindings, judge
from k2_shared.feed.backfill.worker import BackfillWorker
from k2_shared.feed.coverage.checkpoint import Saved
from k2_shared.feed.coverage.checkpoint_records import CheckpointRecords, UnreadableRecords
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.publish.tracker import SymbolTracker, TrackedSymbol
from k2_shared.feed.run.reports import GapReports
from k2_shared.feed.venue.rest import Page
from k2_support.records import trade

SYMBOL = trade().symbol
PAGE = 1_000
TIMES, ROUNDS, PAGES = 100, 5, 2
T = TypeVar("T")


@dataclass
class Rig:
    """What reports gaps and what fills them, and how many gap records were written."""

    tracker: SymbolTracker = field(default_factory=lambda: SymbolTracker(1_024))
    told: int = 0

    def __post_init__(self) -> None:
        unused: Any = None
        gap_log = GapLog("BINANCE", self.put, Metrics("bench", "0").feed)
        self.records = CheckpointRecords("BINANCE", "bench", "0")
        self.reports = GapReports(self.tracker, gap_log, unused, unused, grace_s=0)
        filler = GapFiller(unused, 300.0, 0.5, 60.0, time.monotonic)
        self.worker = BackfillWorker(self.tracker, gap_log, filler, self.publish, unused, grace_s=0)

    def put(self, record: Outgoing) -> None:
        """Count a gap record."""
        self.told += 1

    def publish(self, frame: bytes, found: object, origin: object) -> None:
        """Take what was found."""

    def symbol(self, gaps: int) -> TrackedSymbol:
        """A symbol of which every second id is missing, so many in all, as the ledger has been told."""
        coverage = Coverage()
        coverage.begin(1)
        for trade_id in range(1, 2 * gaps + 2, 2):
            coverage.offer(trade_id, now_us())
        tracked = self.tracker.add(SYMBOL, coverage)
        while self.told < gaps:
            self.reports.report()
        return tracked


@dataclass(frozen=True)
class Costs:
    """CPU µs of one operation each with so many open gaps, and bytes."""

    gaps: int
    trade: float  # a new one
    lost: float  # a new one after a lost one
    late: float  # one that was missing
    tick: float  # of the gap reports
    look: float  # of the backfill worker
    page: float  # a thousand ids by REST, of which every second was missing
    saving: float  # a checkpoint after one id was lost and another came late
    saving_bytes: int
    saving_all: float  # the first checkpoint of a run
    saving_all_bytes: int
    largest_record: int
    reading: float  # that checkpoint

    @property
    def share(self) -> float:
        """Of a core: ten ticks and looks a second, a checkpoint in five, and of 100 trades a second ten are lost."""
        trades = 100 * self.trade + 10 * (self.lost + self.late)
        return (10 * (self.tick + self.look) + self.saving / 5 + trades) / 1e6


class Operations:
    """What is done with one symbol; the number of its gaps changes by few."""

    def __init__(self, gaps: int) -> None:
        self.gaps, self.rig = gaps, Rig()
        self.coverage = self.rig.symbol(gaps).coverage
        self._rng = random.Random(gaps)
        self._chunks = frozenset[str]()
        self._asked_from = 0

    def trades(self, apart: int) -> list[Trade]:
        """New ones, with ids so far apart."""
        high, high_us = self.coverage.high, self.coverage.high_us
        return [trade(trade_id=high + apart * n, timestamp=high_us + n) for n in range(1, TIMES + 1)]

    def late(self) -> list[Trade]:
        """Any of the first gaps' trades; where there are no gaps, old trades once more."""
        missing = [gap.first for gap in islice(self.coverage.gaps, max(self.gaps // 2, 2 * TIMES))] or [1]
        return [trade(trade_id=self._rng.choice(missing)) for _ in range(TIMES)]

    def pages(self) -> list[PageFindings]:
        """One of the newest ids that none was of yet."""
        first = self._asked_from = max(1, (self._asked_from or self.coverage.high) - PAGE)
        page = Page([trade(trade_id=trade_id) for trade_id in range(first, first + PAGE)])
        return [judge(first, page, now_us())]

    def take(self, new: Trade) -> None:
        """A trade from a socket."""
        self.rig.tracker.take((new,), 1)

    def settle(self, findings: PageFindings) -> None:
        """A page by REST."""
        self.rig.worker.settle(SYMBOL, self.coverage, findings, b"answer")

    def tick(self, _: int) -> None:
        """Of the gap reports."""
        self.rig.reports.report()

    def look(self, _: int) -> None:
        """Of the backfill worker, for gaps to ask for."""
        self.rig.worker.due()

    def save(self, _: int) -> Saved:
        """The next checkpoint."""
        saved = self.rig.records.saved(self.coverage, 0, self._chunks)
        self._chunks = saved.chunks
        return saved

    def save_all(self, number: int) -> Saved:
        """A run's first checkpoint."""
        self._chunks = frozenset()
        return self.save(number)

    def changed(self) -> list[int]:
        """Lose a trade, and take one that was missing: what the next checkpoint is for."""
        for new in (self.trades(2)[0], self.late()[0]):
            self.take(new)
        return [0]


def took(work: Callable[[T], object], make: Callable[[], Sequence[T]], rounds: int = ROUNDS) -> float:
    """CPU µs of the work on one input, the least of several rounds; neither making inputs nor garbage counts."""
    least = math.inf
    for _ in range(rounds):
        inputs = make()
        gc.disable()  # a search for cycles costs by what there is, not by what is done
        began = time.thread_time_ns()
        for each in inputs:
            work(each)
        least = min(least, (time.thread_time_ns() - began) / 1e3 / len(inputs))
        gc.enable()
    return least


def costs(gaps: int) -> Costs:
    """Measure every operation."""
    do, many, one = Operations(gaps), lambda: range(TIMES), lambda: [0]
    whole, values = do.save_all(0), dict[bytes, bytes]()
    values |= {record.key: record.value for record in do.rig.records.records(SYMBOL, whole)}
    do.changed()
    changed = do.save(0)
    return Costs(
        gaps=gaps,
        trade=took(do.take, lambda: do.trades(1)),
        lost=took(do.take, lambda: do.trades(2)),
        late=took(do.take, do.late),
        tick=took(do.tick, many),
        look=took(do.look, many),
        saving=took(do.save, do.changed),
        saving_bytes=len(changed.head) + sum(map(len, changed.new.values())),
        saving_all=took(do.save_all, one),
        saving_all_bytes=len(whole.head) + sum(map(len, whole.new.values())),
        largest_record=max(map(len, [whole.head, *whole.new.values()])),
        reading=took(lambda _: do.rig.records.read_checkpoints(values, UnreadableRecords()), one),
        page=took(do.settle, do.pages, rounds=PAGES),
    )
