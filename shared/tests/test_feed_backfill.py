"""Filling gaps by REST: what a page says of a gap, and how long it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from k2_shared.errors import Unavailable
from k2_shared.feed.backfill import Filler, judge
from k2_shared.feed.coverage import Gap
from k2_shared.feed.ledger import Cause, now_us
from k2_shared.feed.rest import Page
from k2_shared.testing.records import trade


def page(*ids: int, cursor: str = "") -> Page:
    return Page([trade(trade_id=each) for each in ids], cursor)


def gap(first: int, last: int, opened_at: int | None = None) -> Gap:
    return Gap(first, last, Cause.RECONNECT, now_us() if opened_at is None else opened_at, 1)


@pytest.mark.parametrize(
    ("ids", "found", "absent", "rest_from"),
    [
        ((), (), [], 10),
        ((10, 11, 12, 13), (10, 11, 12), [], 13),
        ((8, 9), (), [], 10),
        ((9, 10), (10,), [], 11),
        ((10, 12), (10, 12), [(11, 11)], 13),
        ((20, 21), (), [(10, 12)], 13),
        ((11,), (11,), [(10, 10)], 12),
    ],
)
def test_a_page_settles_the_ids_that_it_spans(
    ids: Sequence[int], found: Sequence[int], absent: list[tuple[int, int]], rest_from: int
) -> None:
    """A page that starts past a hole closes the hole at once; beyond its last id it says nothing."""
    judged = judge(gap(10, 12), page(*ids))
    assert tuple(each.trade_id for each in judged.found) == tuple(found)
    assert list(judged.absent) == absent
    assert judged.rest_from == rest_from


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


def filler(*answers: Page | Unavailable) -> tuple[Filler, Pages]:
    pages = Pages(list(answers))
    return Filler(pages, patience_s=60.0, base_s=0.001, cap_s=0.001), pages


async def test_the_next_page_begins_where_the_last_one_ended() -> None:
    """The cursor is the venue's, for the id that it belongs to."""
    work, pages = filler(page(10, 11, cursor="a"), page(12, cursor="b"))
    judged, _ = await work.step("S", gap(10, 12))
    assert judged.rest_from == 12
    await work.step("S", gap(12, 12))
    assert pages.asked == [(10, ""), (12, "a")]


async def test_a_cursor_is_not_used_for_another_gap() -> None:
    """It belongs to the page after which it came."""
    work, pages = filler(page(10, cursor="a"))
    await work.step("S", gap(10, 12))
    await work.step("S", gap(50, 51))
    assert pages.asked == [(10, ""), (50, "")]


async def test_what_rest_does_not_show_yet_is_asked_for_again() -> None:
    """REST may lag behind the sockets: nothing is given up before patience ends."""
    work, _ = filler(page())
    judged, _ = await work.step("S", gap(10, 12))
    assert (judged.found, judged.absent) == ((), ())


async def test_patience_ends() -> None:
    """An id that REST cannot give is unfillable, and asked for no more."""
    work, _ = filler(page())
    judged, _ = await work.step("S", gap(10, 12, opened_at=1))
    assert judged.absent == [(10, 12)]


async def test_a_venue_that_does_not_answer_decides_nothing() -> None:
    """However old the gap is: only an answer can say that an id is not there."""
    work, _ = filler(Unavailable("away"))
    with pytest.raises(Unavailable):
        await work.step("S", gap(10, 12, opened_at=1))


async def test_a_page_of_one_moment_does_not_stop_the_search() -> None:
    """A page that brings nothing new but leads on is followed at once."""
    work, pages = filler(page(7, 8, cursor="a"), page(8, 9, 10, cursor="b"))
    await work.step("S", gap(10, 10))
    assert work.due("S")
    judged, _ = await work.step("S", gap(10, 10))
    assert [each.trade_id for each in judged.found] == [10]
    assert pages.asked == [(10, ""), (10, "a")]
