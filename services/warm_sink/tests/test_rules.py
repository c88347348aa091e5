"""Where a partition is read on at a start, and of which sources a table may be filled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.errors import Halt
from warm_sink.rules import HALF_LANDED, Evidence, Source, Standing, Start, further_back, has_all, new_sources, start

AT = "gold_trades: gold[3]"
TOPIC = "market.crypto.trades.gold"
KNOWN = Source("cluster-1", "topic-1", 12)


def begun(committed: int | None, table_end: int, log: range = range(100), kept: int | None = None) -> Start:
    return start(AT, Evidence(committed, table_end, log, log.start if kept is None else kept))


@pytest.mark.parametrize(
    ("committed", "table_end", "offset"),
    [
        (50, 50, 50),  # in order
        (50, 80, 50),  # killed between the insert and the commit, or only a part of an insert landed
        (80, 50, 50),  # the server lost its last inserts, or was restored
        (80, 0, 0),  # the table was emptied
        (0, 80, 0),  # somebody set the group back
        (None, 0, 0),  # the first start
        (None, 80, 0),  # the group has lost its offset: what stands there already is inserted again
    ],
)
def test_what_may_lack_is_read_again(committed: int | None, table_end: int, offset: int) -> None:
    """From the lesser of what the group and the table say."""
    assert begun(committed, table_end) == Start(offset)


@pytest.mark.parametrize(
    ("committed", "table_end", "offset"),
    [(80, 0, 60), (80, 40, 60), (80, 70, 70), (50, 0, 50), (None, 0, 60), (100, 0, 60)],
)
def test_what_has_expired_is_not_filled_again(committed: int | None, table_end: int, offset: int) -> None:
    """Rows that the table has deleted for their age are not missed; what the group had not read yet is read."""
    assert begun(committed, table_end, kept=60).offset == offset


def test_a_table_in_which_all_has_expired_is_read_on_at_its_end() -> None:
    """A quiet partition."""
    assert begun(100, 0, kept=100) == Start(100)


def test_records_that_kafka_deleted_before_they_were_read_halt() -> None:
    """How many, and how to go on without them."""
    with pytest.raises(Halt, match=r"gold\[3\] was read up to 20 and starts at 40: 20 offsets are lost.*offset to 40"):
        begun(20, 20, range(40, 100))


def test_records_that_kafka_deleted_and_the_table_would_have_too_are_not_missed() -> None:
    """The log begins with records whose rows have expired: what stood before them has, too."""
    assert begun(20, 20, range(40, 100), kept=60) == Start(40)


@pytest.mark.parametrize(("table_end", "unproven"), [(20, range(20, 40)), (40, range(0)), (50, range(0))])
def test_what_kafka_cannot_show_any_more_is_told(table_end: int, unproven: range) -> None:
    """The group had read it, the table ends before it: markers of transactions, or rows that are lost."""
    assert begun(60, table_end, range(40, 100)) == Start(max(40, table_end), unproven)


def folded(committed: int | None, table_end: int, first: int = 40) -> Start:
    """Where the rest of a table is folded of a topic that begins there."""
    return start(AT, Evidence(committed, table_end, range(first, 100), first, folded=True))


@pytest.mark.parametrize("committed", [None, 39, 41, 60])
def test_a_fold_of_what_is_left_of_a_topic_halts(committed: int | None) -> None:
    """What it lacks would lack for ever; whoever sets the group to its first offset has agreed to that."""
    with pytest.raises(Halt, match="starts at 40, and of what was before only 20 offsets are folded"):
        folded(committed, table_end=20)
    assert folded(40, table_end=20) == Start(40, range(20, 40))


def test_a_fold_goes_on_where_all_that_is_gone_was_folded() -> None:
    """As one that begins with the topic."""
    assert folded(60, table_end=40) == Start(40)
    assert folded(60, table_end=50) == Start(50)
    assert folded(None, table_end=0, first=0) == Start(0)


@pytest.mark.parametrize(("committed", "table_end"), [(101, 50), (50, 101), (None, 101)])
def test_records_that_kafka_has_lost_halt(committed: int | None, table_end: int) -> None:
    """Their offsets will be given to other records."""
    with pytest.raises(Halt, match="Kafka has lost records, whose offsets it will give to others"):
        begun(committed, table_end)


@pytest.mark.parametrize(
    ("table_end", "kept", "offset"),
    [
        (HALF_LANDED + 70, 0, 70),  # an insert of so many rows may have landed by half
        (HALF_LANDED + 70, 90, 90),  # what has expired is not missed
        (70, 0, 0),  # all that there is
        (2 * HALF_LANDED, 2 * HALF_LANDED, HALF_LANDED + 80),  # what the group has not read is read, expired or not
    ],
)
def test_a_table_of_an_older_state_is_filled_again_from_before_its_end(table_end: int, kept: int, offset: int) -> None:
    """Half of an insert may have landed in that state."""
    seen = Evidence(HALF_LANDED + 80, table_end, range(2 * HALF_LANDED + 1), kept)
    assert further_back(seen, start(AT, seen)) == Start(offset)


@given(st.none() | st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_nothing_is_left_out(committed: int | None, table_end: int, log_start: int, kept: int) -> None:
    """Whatever is behind the start stands in the table and was committed, or has expired, or is gone from Kafka."""
    seen = Evidence(committed, table_end, range(log_start, 99), max(log_start, kept))
    try:
        offset = start(AT, seen).offset
    except Halt:
        return
    assert log_start <= offset <= 99
    if committed is not None:
        assert offset <= max(committed, log_start)
    assert offset <= max(table_end, seen.kept)


def sources(**known: Source) -> dict[str, Source]:
    return new_sources("gold_trades", Standing(known, {}), {TOPIC: KNOWN})


def test_a_topic_that_is_new_to_a_table_is_noted() -> None:
    """At the first start, and where a venue was added."""
    assert sources() == {TOPIC: KNOWN}
    assert sources(**{TOPIC: KNOWN}) == {}
    assert sources(other=Source("gone", "gone", 1)) == {TOPIC: KNOWN}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (Source("cluster-2", "topic-1", 12), "Kafka is another cluster: cluster-1, the table was fed from cluster-2"),
        (Source("cluster-1", "topic-2", 12), "was created anew: topic-1, the table was fed from topic-2"),
        (Source("cluster-1", "topic-1", 24), "has 12 partitions, the table was filled from 24"),
    ],
)
def test_another_source_halts(known: Source, said: str) -> None:
    """It names the table, what differs, and both ways on."""
    with pytest.raises(Halt, match=f"table gold_trades: .*{said}; its places mean other records: begin another"):
        sources(**{TOPIC: known})


def test_rows_of_a_topic_that_nobody_noted_halt() -> None:
    """Which topic that was cannot be told."""
    with pytest.raises(Halt, match="none in sink_state that says which topic that was"):
        new_sources("gold_trades", Standing({}, {(TOPIC, 3): 7}), {TOPIC: KNOWN})


def test_a_table_that_ends_before_where_it_ended_has_lost_rows() -> None:
    """In any partition; rows that came since are none that it lost."""
    before = {("topic", 0): 7, ("topic", 1): 9}
    assert has_all({("topic", 0): 7, ("topic", 1): 11, ("topic", 2): 1}, before)
    assert not has_all({("topic", 0): 7, ("topic", 1): 8}, before)
    assert not has_all({("topic", 1): 9}, before)
    assert has_all({}, {})
