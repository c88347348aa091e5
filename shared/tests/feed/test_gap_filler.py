"""Filling gaps by REST: what a page says of a gap, and how long it is asked for."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from k2_shared.core.errors import Unavailable
from k2_shared.feed.backfill.gap_filler import GapFiller, judge
from k2_shared.feed.coverage.coverage import Gap
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.venue.rest import Page
from k2_support.records import trade

OPENED = 5
PATIENCE_S = 60.0


def page(*ids: int, cursor: str = "") -> Page:
    return Page([trade(trade_id=each) for each in ids], cursor)


def gap(first: int, last: int) -> Gap:
    return Gap(first, last, Cause.RECONNECT, OPENED, 1)


@pytest.mark.parametrize(
    ("ids", "first", "last"),
    [
        ((), 10, 9),
        ((10, 11, 12, 13), 10, 13),
        ((8, 9), 8, 9),
        ((9, 10), 9, 10),
        ((20, 21), 10, 21),
        ((11,), 10, 11),
    ],
)
def test_a_page_knows_all_from_the_asked_id_to_its_last(ids: Sequence[int], first: int, last: int) -> None:
    """One that starts past a hole knows that the hole is empty; of what comes after its last id it says nothing."""
    judged = judge(10, page(*ids), OPENED)
    assert [each.trade_id for each in judged.trades] == list(ids)
    assert (judged.first, judged.last) == (first, last)


@dataclass
class Pages:
    """A past that is given page by page, and then goes on as its last page."""

    answers: list[Page | Unavailable]
    asked: list[tuple[int, str]] = field(default_factory=list)

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        self.asked.append((first_id, cursor))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Unavailable):
            raise answer
        return answer, b"answer"


@dataclass
class Clock:
    """Stands still until it is set forward; in seconds."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Asking:
    """A filler of one symbol that waits a second at most between two questions."""

    clock: Clock
    pages: Pages

    def __post_init__(self) -> None:
        self.filler = GapFiller(self.pages, PATIENCE_S, 1.0, 1.0, self.clock)

    async def after(self, seconds: float, of: Gap, opened_by: int = OPENED) -> list[tuple[int, int]]:
        """Ask after a time; returns the range that is known then, if any."""
        self.clock.now += seconds
        assert self.filler.due("S")
        judged, _ = await self.filler.step("S", of, opened_by)
        return [(judged.first, judged.last)] if judged.first <= judged.last else []

    async def fails_after(self, seconds: float, of: Gap) -> None:
        """Ask after a time a REST that does not answer."""
        self.clock.now += seconds
        with pytest.raises(Unavailable):
            await self.filler.step("S", of, OPENED)


@pytest.fixture
def ask(clock: Clock) -> Callable[..., Asking]:
    return lambda *answers: Asking(clock, Pages(list(answers)))


Ask = Callable[..., Asking]


async def test_the_next_page_begins_where_the_last_one_ended(ask: Ask) -> None:
    """The cursor is the venue's, for the id that it belongs to."""
    asking = ask(page(10, 11, cursor="a"), page(12, cursor="b"))
    assert await asking.after(0, gap(10, 12)) == [(10, 11)]
    assert await asking.after(0, gap(12, 12)) == [(12, 12)]
    assert asking.pages.asked == [(10, ""), (12, "a")]


async def test_a_cursor_is_not_used_for_another_gap(ask: Ask) -> None:
    """It belongs to the page after which it came."""
    asking = ask(page(10, cursor="a"))
    await asking.after(0, gap(10, 12))
    await asking.after(0, gap(50, 51))
    assert asking.pages.asked == [(10, ""), (50, "")]


async def test_a_gap_that_goes_on_behind_the_page_is_continued_by_the_cursor(ask: Ask) -> None:
    """Whichever gap it was asked for."""
    asking = ask(page(10, 30, cursor="a"), page(31))
    await asking.after(0, gap(10, 12))
    await asking.after(0, gap(31, 40))
    assert asking.pages.asked == [(10, ""), (31, "a")]


async def test_what_rest_does_not_show_yet_is_asked_for_again(ask: Ask) -> None:
    """However long ago the gap was opened: REST has had no time to show it before it was asked for the first time."""
    asking = ask(page())
    assert await asking.after(0, gap(10, 12)) == []
    assert await asking.after(PATIENCE_S - 1, gap(10, 12)) == []


async def test_patience_ends(ask: Ask) -> None:
    """What REST has not shown for so long is unfillable, and all above it too: each answer could have shown that."""
    asking = ask(page())
    assert await asking.after(0, gap(10, 12)) == []
    assert await asking.after(PATIENCE_S, gap(10, 12)) == [(10, sys.maxsize)]


async def test_patience_says_nothing_of_gaps_that_were_opened_meanwhile(ask: Ask) -> None:
    """They were not missing yet when REST first could have shown them."""
    asking = ask(page())
    await asking.after(0, gap(10, 12), opened_by=OPENED)
    asking.clock.now += PATIENCE_S
    judged, _ = await asking.filler.step("S", gap(10, 12), OPENED + 5)
    assert judged.opened_by == OPENED


async def test_time_in_which_rest_does_not_answer_does_not_count(ask: Ask) -> None:
    """Neither before its first answer, nor between two."""
    away = Unavailable("away")
    asking = ask(away, page(), away, page(), page())
    await asking.fails_after(10 * PATIENCE_S, gap(10, 12))
    assert await asking.after(10 * PATIENCE_S, gap(10, 12)) == []
    await asking.fails_after(10 * PATIENCE_S, gap(10, 12))
    assert await asking.after(10 * PATIENCE_S, gap(10, 12)) == []
    assert await asking.after(PATIENCE_S, gap(10, 12)) == [(10, sys.maxsize)]


async def test_patience_begins_anew_for_the_rest_of_a_gap(ask: Ask) -> None:
    """What was asked for before says nothing of when REST could have shown it."""
    asking = ask(page(), page(10), page(), page())
    await asking.after(0, gap(10, 12))
    assert await asking.after(PATIENCE_S - 1, gap(10, 12)) == [(10, 10)]
    assert await asking.after(PATIENCE_S, gap(11, 12)) == []
    assert await asking.after(PATIENCE_S, gap(11, 12)) == [(11, sys.maxsize)]


async def test_a_page_of_one_moment_does_not_stop_the_search(ask: Ask) -> None:
    """A page that brings nothing new but leads on is followed at once."""
    asking = ask(page(7, 8, cursor="a"), page(8, 9, 10, cursor="b"))
    assert await asking.after(0, gap(10, 10)) == [(7, 8)]
    assert await asking.after(0, gap(10, 10)) == [(8, 10)]
    assert asking.pages.asked == [(10, ""), (10, "a")]
