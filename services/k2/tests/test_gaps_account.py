"""What became of the missing ids: every id has the fate that the ledger gave it last."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2.gaps.account import AccountedGap, account
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState

OPENED, FILLED, UNFILLABLE = GapState.OPENED, GapState.FILLED, GapState.UNFILLABLE


def record(state: GapState, first_id: int, last_id: int, at: int = 1, **changes: Any) -> GapRecord:
    """A record of one symbol's ledger."""
    fields: dict[str, Any] = {
        "exchange": "KRAKEN",
        "symbol": "BTC/USD",
        "state": state,
        "first_id": first_id,
        "last_id": last_id,
        "cause": Cause.RECONNECT,
        "opened_at": 1,
        "at": at,
    }
    return GapRecord(**{**fields, **changes})


def fates(*records: GapRecord) -> list[tuple[str, int, int, int | None]]:
    """State, ends and settlement of every gap."""
    return [(gap.state.value, gap.first_id, gap.last_id, gap.settled_at) for gap in account(records)]


def test_a_filled_gap_is_not_open() -> None:
    """Its latency is from the opening to the filling; an open gap's is until now."""
    (gap,) = account([record(OPENED, 5, 9), record(FILLED, 5, 9, at=2_000_001)])
    assert (gap.state, gap.count, gap.latency_s(now=99_000_001)) == (FILLED, 5, 2.0)
    (gap,) = account([record(OPENED, 5, 9)])
    assert (gap.state, gap.settled_at, gap.latency_s(now=99_000_001)) == (OPENED, None, 99.0)


def test_pieces_that_are_filled_one_after_another_are_one_gap() -> None:
    """Its time is that of the last piece, in whichever order they came."""
    pages = [record(FILLED, 20, 30, at=7), record(FILLED, 1, 9, at=8), record(FILLED, 10, 19, at=6)]
    assert fates(record(OPENED, 1, 30), *pages) == [("filled", 1, 30, 8)]


def test_what_is_left_of_a_gap_is_open() -> None:
    """Opened less filled less unfillable; open ones come first, then the newest of the settled."""
    records = (record(OPENED, 1, 10), record(FILLED, 1, 4, at=5), record(UNFILLABLE, 7, 7, at=6))
    assert fates(*records) == [
        ("opened", 5, 6, None),
        ("opened", 8, 10, None),
        ("unfillable", 7, 7, 6),
        ("filled", 1, 4, 5),
    ]


def test_a_gap_that_is_opened_again_after_a_restart_is_one_gap() -> None:
    """It keeps the cause and the time of the first opening; only what is new in it is another gap."""
    again = {"cause": Cause.RESTART, "opened_at": 50, "at": 50}
    first, second = account([record(OPENED, 5, 9), record(OPENED, 5, 12, **again)])
    assert (first.first_id, first.last_id, first.cause, first.opened_at) == (5, 9, Cause.RECONNECT, 1)
    assert (second.first_id, second.last_id, second.cause, second.opened_at) == (10, 12, Cause.RESTART, 50)
    assert fates(record(OPENED, 5, 9), record(OPENED, 5, 9, **again)) == [("opened", 5, 9, None)]


def test_a_settled_range_that_is_opened_anew_is_open() -> None:
    """The last word about an id counts: given up, asked for again, filled."""
    given_up, asked = record(UNFILLABLE, 1, 9, at=3), record(OPENED, 4, 5, at=4, cause=Cause.REQUEST, opened_at=4)
    assert fates(given_up, asked) == [("opened", 4, 5, None), ("unfillable", 1, 3, 3), ("unfillable", 6, 9, 3)]
    filled = record(FILLED, 4, 5, at=9, cause=Cause.REQUEST, opened_at=4)
    assert fates(given_up, asked, filled)[0] == ("filled", 4, 5, 9)


def test_ids_that_are_filled_twice_keep_their_first_time() -> None:
    """A feed that was killed before its checkpoint says it again."""
    assert fates(record(FILLED, 1, 9, at=3), record(FILLED, 1, 9, at=800)) == [("filled", 1, 9, 3)]


def test_gaps_of_two_causes_stay_two() -> None:
    """Neighbours are one gap only when they were opened together."""
    other = record(OPENED, 10, 12, cause=Cause.ROTATION, opened_at=2)
    assert fates(record(OPENED, 5, 9), other) == [("opened", 5, 9, None), ("opened", 10, 12, None)]


def test_symbols_and_exchanges_are_apart() -> None:
    """The same ids of another book are other ids."""
    others = [record(FILLED, 1, 9, symbol="ETH/USD"), record(FILLED, 1, 9, exchange="BINANCE")]
    assert [gap.state for gap in account([record(OPENED, 1, 9), *others])] == [OPENED, FILLED, FILLED]


def test_an_empty_range_is_about_no_id() -> None:
    """It neither opens nor settles anything."""
    assert account([record(OPENED, 9, 8)]) == []
    assert fates(record(OPENED, 1, 20), record(FILLED, 9, 8)) == [("opened", 1, 20, None)]


def one_by_one(records: Iterable[GapRecord]) -> dict[int, tuple[Any, ...]]:
    """The same, id by id."""
    found: dict[int, tuple[Any, ...]] = {}
    for each in records:
        for number in range(each.first_id, each.last_id + 1):
            if number not in found or found[number][0] is not each.state:
                found[number] = (each.state, each.cause, each.opened_at)
    return found


def spread(gaps: Iterable[AccountedGap]) -> list[tuple[int, tuple[Any, ...]]]:
    """Gaps id by id."""
    return [(n, (g.state, g.cause, g.opened_at)) for g in gaps for n in range(g.first_id, g.last_id + 1)]


@given(
    st.lists(
        st.builds(
            record,
            st.sampled_from(GapState),
            st.integers(1, 30),
            st.integers(1, 30),
            at=st.integers(5, 9),
            cause=st.sampled_from([Cause.RECONNECT, Cause.RESTART]),
            opened_at=st.integers(1, 2),
        ),
        max_size=12,
    )
)
def test_arithmetic_with_ranges_is_arithmetic_with_ids(records: list[GapRecord]) -> None:
    """Every id is in one gap, with the fate that it has when each id is followed alone."""
    found = spread(account(records))
    assert len(found) == len(dict(found))
    assert dict(found) == one_by_one(records)


@pytest.mark.parametrize("count", [20_000])
def test_a_long_ledger_is_read_in_good_time(count: int) -> None:
    """Ids are ranges, so their number does not matter, and a record looks at its neighbours alone."""
    records = [record(OPENED, n * 10**6, n * 10**6 + 999) for n in range(1, count + 1)]
    assert len(account(records)) == count
