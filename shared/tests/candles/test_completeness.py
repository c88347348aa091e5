"""How many missing trades may belong to a candle, against definitions that look at every trade and every id."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.tests.candles.oracle import GoldTrade, candles, rows_of

from k2_shared.candles.completeness import missing_trades, united
from k2_shared.candles.rows import CandleRows, chosen
from k2_shared.candles.timeframes import TIMEFRAMES

BEGIN = 1_762_732_800_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
ABOVE_ALL = 2**63


def trade(trade_id: int, at: int) -> GoldTrade:
    """A trade with an id, so many µs after the beginning."""
    return GoldTrade(0, BEGIN + at, trade_id, 1, 1, trade_id)


def of_timeframe(trades: list[GoldTrade], place: int) -> CandleRows:
    """The candles of these trades in one timeframe, in the order of windows."""
    rows = rows_of(dict(sorted(candles(trades).items())))
    return chosen(rows, rows["timeframe"] == place)


def ranges(ids: set[int]) -> list[tuple[int, int]]:
    """Each id as a range of its own."""
    return [(each, each) for each in ids]


def by_neighbours(trades: list[GoldTrade], missing: set[int], window: tuple[int, int]) -> int:
    """The missing ids between the last trade before a window and the first one after it, by time and id."""
    before = [(t.timestamp, t.trade_id) for t in trades if t.timestamp < window[0]]
    after = [(t.timestamp, t.trade_id) for t in trades if t.timestamp >= window[1]]
    low, high = max(before, default=(0, 0))[1], min(after, default=(0, ABOVE_ALL))[1]
    return sum(low < each < high for each in missing)


def by_times(trades: list[GoldTrade], missing: set[int], window: tuple[int, int]) -> int:
    """The missing ids that stand between a trade before the window's end and one after its begin, by id.

    Of its run of missing ids the neighbours count too: an id may be as early as any trade from its lower neighbour on,
    and as late as any trade up to its upper one.
    """
    ids = [t.trade_id for t in trades]
    found = 0
    for each in missing:
        below = max((i for i in ids if i < each), default=0)
        above = min((i for i in ids if i > each), default=ABOVE_ALL)
        earliest = min((t.timestamp for t in trades if t.trade_id >= below), default=0) if below else 0
        latest = max(t.timestamp for t in trades if t.trade_id <= above) if above < ABOVE_ALL else ABOVE_ALL
        found += earliest < window[1] and latest >= window[0]
    return found


def assert_equal(
    trades: list[GoldTrade],
    missing: set[int],
    oracle: Callable[[list[GoldTrade], set[int], tuple[int, int]], int],
) -> None:
    """The function says what the oracle says, of every candle in every timeframe."""
    for place, timeframe in enumerate(TIMEFRAMES):
        rows = of_timeframe(trades, place)
        windows = [(int(start), int(start) + timeframe.width_us) for start in rows["window_start"]]
        found = missing_trades(rows, ranges(missing))
        assert found.tolist() == [oracle(trades, missing, window) for window in windows]


@given(st.lists(st.tuples(st.sampled_from(["gold", "missing", "under way"]), st.integers(0, 3)), max_size=40))
def test_of_ids_in_the_order_of_times_those_between_the_neighbours_count(ids: list[tuple[str, int]]) -> None:
    """Also where an id is neither in gold nor missing yet, since it is on its way."""
    trades, missing, at = list[GoldTrade](), set[int](), 0
    for trade_id, (where, steps) in enumerate(ids, start=1):
        at += steps * 25 * SECOND
        trades += [trade(trade_id, at)] if where == "gold" else []
        missing |= {trade_id} if where == "missing" else set()
    assert_equal(trades, missing, by_neighbours)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(-3, 3)), max_size=40))
def test_where_times_and_ids_disagree_no_window_is_passed_over(ids: list[tuple[bool, int, int]]) -> None:
    """Every window counts in which the missing trade may have been."""
    trades, missing, at = list[GoldTrade](), set[int](), 10 * MINUTE
    for trade_id, (in_gold, steps, off) in enumerate(ids, start=1):
        at += steps * 10 * SECOND
        trades += [trade(trade_id, at + off * 45 * SECOND)] if in_gold else []
        missing |= set() if in_gold else {trade_id}
    assert_equal(trades, missing, by_times)


TRADES = [trade(1, 0), trade(2, 10 * SECOND), trade(5, MINUTE), trade(6, 3 * MINUTE), trade(9, 61 * MINUTE)]


@pytest.mark.parametrize(
    ("missing", "minutes", "hours"),
    [
        ([], [0, 0, 0, 0], [0, 0]),
        ([(3, 4)], [2, 2, 0, 0], [2, 0]),
        ([(3, 3), (4, 4), (3, 4), (8, 7)], [2, 2, 0, 0], [2, 0]),
        ([(8, 8), (3, 4), (7, 7)], [2, 2, 2, 2], [4, 2]),
        ([(10, 2**63 - 1)], [0, 0, 0, 2**63 - 10], [0, 2**63 - 10]),
    ],
)
def test_both_neighbours_of_a_gap_are_incomplete(
    missing: list[tuple[int, int]], minutes: list[int], hours: list[int]
) -> None:
    """A filled gap is none; an hour inherits its minutes' gaps, and each counts once in it."""
    assert missing_trades(of_timeframe(TRADES, 0), missing).tolist() == minutes
    assert missing_trades(of_timeframe(TRADES, 4), missing).tolist() == hours


def test_candles_between_the_neighbours_are_incomplete_too() -> None:
    """A trade that was late by time stands in a window between them."""
    late = [trade(1, 0), trade(3, 3 * MINUTE), trade(4, MINUTE), trade(5, 5 * MINUTE)]
    assert missing_trades(of_timeframe(late, 0), [(2, 2)]).tolist() == [1, 1, 1, 0]


def test_a_symbol_without_candles_has_none_incomplete() -> None:
    """Whatever is missing."""
    assert missing_trades(of_timeframe([], 0), [(1, 5)]).tolist() == []


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=10))
def test_ranges_are_united(given_ranges: list[tuple[int, int]]) -> None:
    """Those that overlap or touch are one; an empty one is none; no id is lost or made."""
    first, last = united(given_ranges)
    ids = {each for low, high in given_ranges for each in range(low, high + 1)}
    found = [each for low, high in zip(first.tolist(), last.tolist(), strict=True) for each in range(low, high + 1)]
    assert found == sorted(ids)
    assert (first[1:] > last[:-1] + 1).all()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(-3, 3)), min_size=1, max_size=40), st.data())
def test_a_range_leads_to_the_candles_that_it_may_touch(ids: list[tuple[bool, int, int]], data: st.DataObject) -> None:
    """By comparisons with their lowest and highest ids; all others are as they were."""
    at, trades = 10 * MINUTE, list[GoldTrade]()
    for trade_id, (in_gold, steps, off) in enumerate(ids, start=1):
        at += steps * 10 * SECOND
        trades += [trade(trade_id, at + off * 45 * SECOND)] if in_gold else []
    gone = sorted({*range(1, len(ids) + 1)} - {t.trade_id for t in trades})
    changed = data.draw(st.sampled_from(gone)) if gone else len(ids) + 1
    rows = of_timeframe(trades, 0)
    touched = np.flatnonzero(missing_trades(rows, [(changed, changed)]))
    above = np.flatnonzero(rows["highest_id"] >= changed - 1)[:1]
    below = np.flatnonzero(rows["lowest_id"] <= changed + 1)[-1:]
    low, high = min(above, default=len(rows)) - 1, max(below, default=-1) + 1
    assert all(low <= each <= high for each in touched.tolist())
