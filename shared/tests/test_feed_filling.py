"""Gaps worked off by REST while sockets go on: what is told, published and given up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from k2_shared.feed import ledger
from k2_shared.feed.backfill import Filler
from k2_shared.feed.book import Book
from k2_shared.feed.filling import Filling
from k2_shared.feed.ledger import GapRecord
from k2_shared.feed.rest import Page
from k2_shared.feed.settings import FeedSettings
from k2_shared.feed.teller import Teller
from k2_shared.origin import Origin, Source
from k2_shared.records import Outgoing
from k2_shared.telemetry import Metrics
from k2_shared.testing.records import trade
from k2_shared.trade import Trade

SYMBOL = trade().symbol


def trades(*ids: int) -> list[Trade]:
    return [trade(trade_id=each) for each in ids]


@dataclass
class Feed:
    """The capture by hand, and a venue's past of ids 1 to 9 without 4; ``meanwhile`` comes while REST is asked."""

    settings: FeedSettings = field(default_factory=lambda: FeedSettings.load(feed_gap_grace_s=0))
    book: Book = field(default_factory=lambda: Book(8))
    told: list[GapRecord] = field(default_factory=list)
    published: list[tuple[int, Source]] = field(default_factory=list)
    meanwhile: Sequence[int] = ()
    teller: Teller = field(init=False)

    def __post_init__(self) -> None:
        self.teller = Teller("BINANCE", self._put, Metrics("feed_binance", "0").feed)
        self.book.add(SYMBOL)

    def _put(self, record: Outgoing) -> None:
        self.told.append(ledger.gaps.read(record.value))

    def publish(self, frame: bytes, found: Sequence[Trade], origin: Origin) -> None:
        self.published += [(each.trade_id, origin.source) for each in found]

    async def recovered(self) -> None:
        return

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        if self.meanwhile:
            self.book.take(trades(*self.meanwhile), connection=2)
        return Page(trades(*(each for each in range(first_id, 10) if each != 4))), b"answer"

    def lose(self, *ids: int) -> None:
        """A socket brings every id up to 9 but these."""
        for each in range(1, 10):
            if each not in ids:
                self.book.take(trades(each), connection=1)

    async def fill(self) -> None:
        """One round."""
        work: Any = Filling(self, Filler(self, 60.0, 0.001, 0.001))  # type: ignore[arg-type]
        for symbol, series, gap in work._due():
            await work._step(symbol, series, gap)

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
    assert feed.book.series[SYMBOL].coverage.gaps == []


async def test_what_a_socket_brings_meanwhile_is_not_published_twice(feed: Feed) -> None:
    """The late copy was first; REST's is known."""
    feed.lose(6, 7)
    feed.meanwhile = (6,)
    await feed.fill()
    assert [each for each, _ in feed.published] == [7]


async def test_a_gap_that_was_settled_before_its_turn_is_not_opened(feed: Feed) -> None:
    """Else it would stand open in the ledger for ever."""
    feed.lose(6)
    work: Any = Filling(feed, Filler(feed, 60.0, 0.001, 0.001))  # type: ignore[arg-type]
    ((symbol, series, gap),) = work._due()
    feed.book.take(trades(6), connection=2)
    assert not await work._step(symbol, series, gap)
    assert feed.told == []
