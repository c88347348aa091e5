"""Gaps worked off by REST while sockets go on: what is told, published and given up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import Origin, Source
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.gap_filler import GapFiller
from k2_shared.feed.backfill.worker import BackfillWorker
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import GapRecord, now_us
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.venue.rest import Page
from k2_support.records import trade

SYMBOL = trade().symbol


def trades(*ids: int) -> list[Trade]:
    return [trade(trade_id=each) for each in ids]


@dataclass
class Feed:
    """A feed by hand, and a venue's past of ids 1 to ``last`` without 4 and 10.

    ``meanwhile`` comes while REST is asked. Pages begin ``earlier`` than they are asked for, as those by time do.
    """

    tracker: SymbolTracker = field(default_factory=lambda: SymbolTracker(8))
    told: list[GapRecord] = field(default_factory=list)
    published: list[tuple[int, Source]] = field(default_factory=list)
    meanwhile: Sequence[int] = ()
    earlier: int = 0
    last: int = 9
    asked: list[int] = field(default_factory=list)
    gap_log: GapLog = field(init=False)

    def __post_init__(self) -> None:
        self.gap_log = GapLog("BINANCE", self._put, Metrics("feed_binance", "0").feed)
        self.tracker.add(SYMBOL)

    def _put(self, record: Outgoing) -> None:
        self.told.append(feed_records.gaps.read(record.value))

    def publish(self, frame: bytes, found: Sequence[Trade], origin: Origin) -> None:
        self.published += [(each.trade_id, origin.source) for each in found]

    async def outlast_congestion(self) -> None:
        return

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        self.asked.append(first_id)
        if self.meanwhile:
            self.tracker.take(trades(*self.meanwhile), connection=2)
        return Page(
            trades(*(each for each in range(first_id - self.earlier, self.last + 1) if each not in (4, 10)))
        ), b"answer"

    def lose(self, *ids: int) -> None:
        """A socket brings every id up to 9 but these."""
        for each in range(1, 10):
            if each not in ids:
                self.tracker.take(trades(each), connection=1)

    def worker(self) -> Any:
        """Works on this feed."""
        filler = GapFiller(self, 60.0, 0.001, 0.001, time.monotonic)
        work: Any = BackfillWorker(self.tracker, self.gap_log, filler, self.publish, self.outlast_congestion, grace_s=0)
        return work

    async def fill(self) -> None:
        """One round."""
        work = self.worker()
        for symbol, tracked, gap in work.due():
            await work.step(symbol, tracked, gap)

    def fates(self) -> list[tuple[str, int, int]]:
        return [(record.state.value, record.first_id, record.last_id) for record in self.told]


@pytest.fixture
def feed() -> Feed:
    return Feed()


async def test_what_was_missing_is_published_and_the_rest_of_the_page_is_not(feed: Feed) -> None:
    """Opened first, then filled, as one range."""
    feed.lose(6, 7)
    await feed.fill()
    assert feed.published == [(6, Source.REST), (7, Source.REST)]
    assert feed.fates() == [("opened", 6, 7), ("filled", 6, 7)]


async def test_a_hole_of_the_venue_is_given_up_at_once(feed: Feed) -> None:
    """REST has ids before and after it."""
    feed.lose(3, 4, 5)
    await feed.fill()
    assert [each for each, _ in feed.published] == [3, 5]
    assert sorted(feed.fates()) == [("filled", 3, 3), ("filled", 5, 5), ("opened", 3, 5), ("unfillable", 4, 4)]
    assert not feed.tracker.symbols[SYMBOL].coverage.gaps


@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_page_settles_every_gap_that_it_covers(feed: Feed, earlier: int) -> None:
    """One question for all of them, at a venue that is asked by id and at one that is asked by time."""
    feed.earlier = earlier
    feed.lose(2, 4, 6, 8)
    await feed.fill()
    assert feed.asked == [2]
    assert [each for each, _ in feed.published] == [2, 6, 8]
    assert [each for each in feed.fates() if each[0] != "opened"] == [
        *[("filled", each, each) for each in (2, 6, 8)],
        ("unfillable", 4, 4),
    ]
    assert not feed.tracker.symbols[SYMBOL].coverage.gaps


async def test_a_page_says_nothing_of_what_comes_after_it(feed: Feed) -> None:
    """The part of a gap that lies behind the page's last id stays."""
    feed.lose(8, 9)
    feed.tracker.take(trades(20), connection=1)
    await feed.fill()
    assert [each for each, _ in feed.published] == [8, 9]
    assert [(gap.first, gap.last) for gap in feed.tracker.symbols[SYMBOL].coverage.gaps] == [(10, 19)]


async def test_a_page_that_may_be_older_than_a_gap_does_not_settle_it(feed: Feed) -> None:
    """The gap was opened while REST was asked: what the page lacks may be on its way, to REST and to the sockets."""
    feed.lose(3)
    coverage = feed.tracker.symbols[SYMBOL].coverage
    work = feed.worker()
    ((symbol, tracked, gap),) = work.due()
    coverage.clock = lambda: now_us() + 1_000_000
    feed.tracker.take(trades(11), connection=1)  # 10 is missing
    feed.last = 20
    assert await work.step(symbol, tracked, gap)
    assert [(gap.first, gap.last) for gap in coverage.gaps] == [(10, 10)]


async def test_what_a_socket_brings_meanwhile_is_not_published_twice(feed: Feed) -> None:
    """The late copy was first; REST's is known."""
    feed.lose(6, 7)
    feed.meanwhile = (6,)
    await feed.fill()
    assert [each for each, _ in feed.published] == [7]


async def test_a_gap_that_was_settled_before_its_turn_is_not_opened(feed: Feed) -> None:
    """Else it would stand open in the ledger for ever."""
    feed.lose(6)
    work = feed.worker()
    ((symbol, tracked, gap),) = work.due()
    feed.tracker.take(trades(6), connection=2)
    assert not await work.step(symbol, tracked, gap)
    assert feed.told == []
