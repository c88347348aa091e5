"""Ranges in blocks: many of them are the set that few are."""

import random
from itertools import pairwise

import pytest

from k2_shared.feed.coverage.blocks import MOST, Blocks
from k2_shared.feed.coverage.coverage import Coverage, Gap, Gaps
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.coverage.intervals import IntervalSet

MANY = 4 * MOST


def ranges_of(ids: set[int]) -> list[tuple[int, int]]:
    """Ids as ranges that do not touch."""
    found: list[tuple[int, int]] = []
    for number in sorted(ids):
        if found and found[-1][1] + 1 == number:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def whole(blocks: Blocks[Gap]) -> None:
    """See that no block is too long or empty, and that all ranges ascend."""
    sizes = [len(block.ranges) for block in blocks.blocks]
    assert max(sizes) <= MOST
    assert min(sizes) > 0 or len(sizes) == 1
    assert all(before.last < after.first for before, after in pairwise(blocks))
    assert all(block.lasts == [gap.last for gap in block.ranges] for block in blocks.blocks)


@pytest.mark.parametrize("seed", range(4))
def test_many_ranges_are_the_set_of_their_ids(seed: int) -> None:
    """Through thousands of ranges over several blocks, short and long ones added and removed anywhere."""
    rng = random.Random(seed)
    model = {2 * number for number in range(1, MANY)}
    intervals = IntervalSet((number, number) for number in sorted(model, key=lambda _: rng.random()))
    for _ in range(300):
        first = rng.randint(1, 2 * MANY)
        last = first + rng.choice([0, 0, 1, 5, 3 * MOST])
        if rng.random() < 0.3:
            intervals.add(first, last)
            model |= set(range(first, last + 1))
        else:
            intervals.remove(first, last)
            model -= set(range(first, last + 1))
        assert len(intervals) == len(model)
        assert (first - 1 in intervals) == (first - 1 in model)
    assert list(intervals) == ranges_of(model)
    intervals.remove(1, 4 * MANY)
    assert (list(intervals), len(intervals)) == ([], 0)


@pytest.mark.parametrize("seed", range(4))
def test_many_gaps_are_cut_as_few_are(seed: int) -> None:
    """What is cut is what was missing, and what is left keeps the cause and time of its gap."""
    rng = random.Random(seed)
    gaps = Gaps(Gap(4 * number, 4 * number + 2, Cause.RESTART, number, 0) for number in range(1, MANY))
    missing = {gap: set(range(gap.first, gap.last + 1)) for gap in gaps}
    owner = {trade_id: gap for gap, ids in missing.items() for trade_id in ids}
    for _ in range(400):
        first = rng.randint(1, 4 * MANY)
        last = first + rng.choice([0, 0, 1, 5, 6 * MOST])
        cut = {
            (each.gap.opened_at, number)
            for each in gaps.cut(first, last)
            for number in range(each.first, each.last + 1)
        }
        gone = {number for number in range(first, last + 1) if number in owner}
        assert cut == {(owner.pop(number).opened_at, number) for number in gone}
    whole(gaps)
    assert {number: gap.opened_at for gap in gaps for number in range(gap.first, gap.last + 1)} == {
        number: gap.opened_at for number, gap in owner.items()
    }


def test_an_empty_range_shares_no_id() -> None:
    """As a stranger's record in the ledger may have it."""
    intervals = IntervalSet([(1, 10)])
    intervals.remove(5, 4)
    assert (list(intervals), intervals.within(5, 4), intervals.without(5, 4)) == ([(1, 10)], [], [])


def test_what_was_lost_is_more_urgent_than_history(coverage: Coverage) -> None:
    """Of either the lowest, and none that is too young."""
    coverage.reopen(1)
    coverage.clock = lambda: 9
    coverage.offer(20, 0)
    coverage.offer(30, 0)
    assert coverage.urgent(by=8) == Gap(1, 9, Cause.REQUEST, 5, 0)
    assert coverage.urgent(by=9) == Gap(11, 19, Cause.SILENT_DROP, 9, 10)
    coverage.settle(11, 29)
    assert coverage.urgent(by=9) == Gap(1, 9, Cause.REQUEST, 5, 0)
    coverage.settle(1, 9)
    assert coverage.urgent(by=9) is None


def test_a_gap_that_lasts_is_told_once(coverage: Coverage) -> None:
    """What is left of it, at most so many at a time."""
    coverage.offer(20, 0)
    coverage.settle(15, 15)
    coverage.clock = lambda: 9
    coverage.offer(22, 0)
    assert [(gap.first, gap.last) for gap in coverage.lasting(by=8, most=10)] == [(11, 14), (16, 19)]
    assert list(coverage.lasting(by=8, most=10)) == []
    coverage.offer(24, 0)
    assert [gap.first for gap in coverage.lasting(by=9, most=1)] == [21]
    assert [gap.first for gap in coverage.lasting(by=9, most=1)] == [23]


@pytest.fixture
def coverage() -> Coverage:
    """Id 10, at the time 5."""
    coverage = Coverage(clock=lambda: 5)
    coverage.begin(10)
    coverage.offer(10, 10)
    return coverage
