"""The sink's state and when it contradicts the world."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.errors import Halt
from k2_shared.kafka.identities import Identity
from k2_shared.lake.sink_state import SinkState, World, agreed, check_world, superseded

STATE = SinkState({("a", 0): 5, ("a", 11): 7, ("b", 0): 1}, "commit-1", "cluster-1", {"a": "1", "b": "2"}, "table-1")
KAFKA = Identity("cluster-1", {"a": "1", "b": "2"})
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)


@given(
    st.builds(
        SinkState,
        offsets=st.dictionaries(st.tuples(NAMES, st.integers(0, 99)), st.integers(0, 2**62), max_size=6),
        commit_id=NAMES,
        cluster_id=NAMES,
        topic_ids=st.dictionaries(NAMES, NAMES, max_size=3),
        table_uuid=NAMES,
    )
)
def test_state_round_trip(state: SinkState) -> None:
    """What is written into a summary is read from it, among other properties and other sinks' states."""
    others = {"write.format": "parquet", **STATE.to_properties("other")}
    assert SinkState.from_properties({**others, **state.to_properties("k2")}, "k2") == state


def test_no_state_is_none() -> None:
    """A table that a sink has not written to says nothing of it."""
    assert SinkState.from_properties(STATE.to_properties("other"), "k2") is None
    assert SinkState.from_properties({"sink.k22.offsets": "{}"}, "k2") is None


@pytest.mark.parametrize("name", list(STATE.to_properties("k2")))
@pytest.mark.parametrize("damage", ["missing", "text"])
def test_a_damaged_state_halts(name: str, damage: str) -> None:
    """A part that is missing, or offsets that cannot be read: not guessed."""
    properties = STATE.to_properties("k2")
    del properties[name]
    if damage == "text":
        properties["sink.k2.offsets"] = "{"
    with pytest.raises(Halt, match="state of sink k2 in the table is damaged"):
        SinkState.from_properties(properties, "k2")


def test_summary_and_property_must_agree() -> None:
    """The property alone is enough, since expiring snapshots drops summaries; the reverse is a rollback."""
    assert agreed(None, None) is None
    assert agreed(STATE, STATE) == STATE
    assert agreed(None, STATE) == STATE
    for prop in (None, replace(STATE, commit_id="commit-2"), replace(STATE, offsets={("a", 0): 6})):
        with pytest.raises(Halt, match="rolled back or changed by hand"):
            agreed(STATE, prop)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table_uuid": "table-2"}, "the table is another one: table-2"),
        ({"kafka": Identity("cluster-2", KAFKA.topic_ids)}, "Kafka is another cluster: cluster-2"),
        ({"kafka": Identity("cluster-1", {"a": "1", "b": "3"})}, "topic b was created anew: 3"),
        ({"logs": {("a", 11): range(9, 20)}}, r"a\[11\] starts at 9, the table needs 7: 2 are lost"),
        ({"logs": {("a", 11): range(6)}}, r"a\[11\] ends at 6, the table has all up to 7: Kafka was cut short"),
    ],
)
def test_a_contradiction_halts(changes: dict[str, Any], said: str) -> None:
    """Each says what differs."""
    world = World("table-1", KAFKA, {("a", 0): range(5, 5), ("a", 11): range(8)})
    check_world(STATE, world)
    with pytest.raises(Halt, match=said):
        check_world(STATE, replace(world, **changes))


def test_what_is_new_in_the_world_is_no_contradiction() -> None:
    """A topic or partition that the state does not know yet is begun, not refused."""
    kafka = Identity("cluster-1", {**KAFKA.topic_ids, "c": "9"})
    check_world(STATE, World("table-1", kafka, {("a", 12): range(1_000, 1_001), ("c", 0): range(1_000, 1_001)}))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({("a", 0): 5}, False),
        ({("a", 0): 5, ("b", 0): 1, ("new", 0): 33}, False),
        ({("a", 0): 4}, True),
        ({("a", 0): 6}, True),
        ({("a", 0): 5, ("b", 0): 0}, True),
    ],
)
def test_an_owner_is_superseded_where_the_table_is_elsewhere(start: dict[Any, int], expected: bool) -> None:
    """Behind or ahead in any partition of the batch; the others do not matter."""
    assert superseded(STATE, start) is expected
    assert superseded(None, start) is False
