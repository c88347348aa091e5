"""Many open gaps: no operation of a feed walks all of them."""

from dataclasses import asdict

import pytest
from tests.bench.many_gaps import SYMBOL, Operations, Rig, costs

from k2_shared.core import contracts
from k2_shared.feed.coverage.coverage import Coverage, Gaps
from k2_shared.kafka.topics import COVERAGE

FACTOR = 10.0  # a hundred times as many gaps; what walks all of them takes a hundred times as long
ONE_BY_ONE = ("trade", "lost", "late", "tick", "look", "page", "saving")


@pytest.mark.long
def test_an_operation_costs_with_100000_gaps_about_what_it_costs_with_1000() -> None:
    """Each of them, and what a checkpoint writes; the largest record stays far below the topic's limit."""
    few, many = costs(1_000), costs(100_000)
    ratios = {name: asdict(many)[name] / asdict(few)[name] for name in (*ONE_BY_ONE, "saving_bytes")}
    assert max(ratios.values()) < FACTOR, ratios
    assert many.saving_all_bytes > contracts.topics()[COVERAGE].max_message_bytes
    assert many.largest_record < contracts.topics()[COVERAGE].max_message_bytes / 2


def test_after_a_start_the_ledger_is_told_of_many_gaps_in_turns() -> None:
    """A tick tells some of them, so that trades do not wait for all; each is told once."""
    rig = Rig()
    rig.tracker.add(SYMBOL, Coverage(first=1, high=20_000, gaps=Gaps(Operations(5_000).coverage.gaps)))
    told = []
    for _ in range(10):
        rig.reports.report()
        told.append(rig.told)
    assert 0 < told[0] < told[1] < told[-1] == 5_000
