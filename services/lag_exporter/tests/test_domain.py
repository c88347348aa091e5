"""What of the offsets before a group is unread."""

import pytest

from k2_shared.core import contracts
from k2_shared.kafka.lag import Reading, groups
from k2_shared.kafka.topics import Names
from lag_exporter.domain import GroupPosition


def told(position: GroupPosition, reading: Reading, *, has_record: bool) -> int:
    """The lag, after what was doubtful was looked up."""
    if doubtful := position.doubtful(reading):
        position.looked_up(doubtful, has_record)
    return position.lag(reading)


def test_every_table_and_stage_has_its_group() -> None:
    """Each with its topics, under the run's prefix."""
    found = groups(Names("t."))
    of_tables = {
        *(f"t.k2.iceberg_sink.{table}" for table in contracts.tables()),
        *(f"t.k2.warm_sink.{table}" for table in contracts.warm_tables()),
    }
    assert set(found) == {"t.k2.silver", "t.k2.gold", *of_tables}
    assert set(found["t.k2.silver"]) == {"market.crypto.trades.kraken", "market.crypto.trades.binance"}
    assert found["t.k2.iceberg_sink.gold_crypto_trades"] == ("market.crypto.trades.gold",)


@pytest.mark.parametrize(
    ("reading", "offsets"),
    [
        (Reading(committed=7, log_start=0, end=10), 3),
        (Reading(committed=10, log_start=0, end=10), 0),
        (Reading(committed=None, log_start=4, end=10), 6),
        (Reading(committed=2, log_start=4, end=10), 6),
        (Reading(committed=12, log_start=0, end=10), 0),
    ],
    ids=["behind", "at the end", "without an offset", "behind what was deleted", "past the oldest open transaction"],
)
def test_lag_is_what_can_still_be_read(reading: Reading, offsets: int) -> None:
    """Deleted offsets are behind nobody."""
    assert GroupPosition().lag(reading) == reading.offsets == offsets


def test_a_group_that_stands_before_no_record_has_read_all() -> None:
    """The first reading says nothing of movement; what holds no record is not looked up again."""
    position, at_rest = GroupPosition(), Reading(committed=7, log_start=0, end=9)
    assert told(position, at_rest, has_record=False) == 2
    assert position.doubtful(at_rest) == range(7, 9)
    assert told(position, at_rest, has_record=False) == 0
    assert not position.doubtful(at_rest)


def test_what_comes_after_the_barren_offsets_is_looked_up_alone() -> None:
    """Once a record is there, all offsets count, and nothing is looked up until the group moves."""
    position = GroupPosition()
    for end in (9, 9):
        told(position, Reading(7, 0, end), has_record=False)
    later = Reading(committed=7, log_start=0, end=12)
    assert position.doubtful(later) == range(9, 12)
    assert told(position, later, has_record=True) == 5
    assert not position.doubtful(Reading(7, 0, 50))
    assert told(position, Reading(7, 0, 50), has_record=False) == 43
    assert told(position, Reading(50, 0, 51), has_record=False) == 1
    assert told(position, Reading(50, 0, 51), has_record=False) == 0
