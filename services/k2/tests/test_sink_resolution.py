"""For each halt of a sink, what its table goes on from; pure."""

from dataclasses import replace
from typing import Any

import pytest

from k2.sink.resolution import Found, Resolution, resolve
from k2_shared.core.errors import ConfigError
from k2_shared.kafka.identities import Identity
from k2_shared.lake.sink_state import Position, SinkState, World

KAFKA = Identity("cluster-1", {"a": "1", "b": "2"})
LOGS: dict[Position, range] = {("a", 0): range(10), ("a", 1): range(10), ("b", 0): range(10)}
STATE = SinkState({("a", 0): 5, ("b", 0): 7}, "commit-1", "cluster-1", {"a": "1", "b": "2"}, "table-1")
WELL = Found(STATE, STATE, World("table-1", KAFKA, LOGS), rows=12, committed=True)


def world(**changes: Any) -> Found:
    return replace(WELL, world=replace(WELL.world, **changes))


def resolved(found: Found, trust: Any = None) -> Resolution:
    """How it goes on; after that nothing holds it up."""
    done = resolve(found, "new", trust)
    assert done is not None
    assert done.steps
    assert done.state.commit_id == "new"
    assert replace(found, summary=done.state, prop=done.state, damage="").halt == ""
    return done


@pytest.mark.parametrize("found", [WELL, replace(WELL, summary=None), Found(None, None, WELL.world, 0)])
def test_a_table_that_is_well_is_left_alone(found: Found) -> None:
    """Also where its summaries are expired, and where nothing was ever written."""
    assert found.halt == ""
    assert resolve(found, "new") is None


@pytest.mark.parametrize("prop", [None, replace(STATE, offsets={("a", 0): 9}), replace(STATE, commit_id="commit-9")])
def test_a_table_that_was_rolled_back_goes_on_from_its_rows(prop: SinkState | None) -> None:
    """Offsets and rows of a snapshot were committed together, so the snapshot is believed."""
    done = resolved(replace(WELL, prop=prop))
    assert done.state.offsets == STATE.offsets
    assert done.steps == ("goes on from commit commit-1, which its rows are of; what comes after is read again",)


def test_a_damaged_property_is_replaced_by_the_snapshots() -> None:
    """Without a snapshot that has a state nobody knows of what the rows are."""
    damaged = replace(WELL, prop=None, damage="the state is damaged")
    assert resolved(damaged).state.offsets == STATE.offsets
    with pytest.raises(
        ConfigError, match="is damaged, and it holds 12 rows, which would be there twice: 'k2 lake reset'"
    ):
        resolve(replace(damaged, summary=None), "new")


def test_a_table_that_was_recreated_is_filled_from_the_beginning() -> None:
    """If it is empty: rows without a state are of nobody knows which records."""
    recreated = replace(WELL, summary=None, prop=None, rows=0)
    assert "it was recreated" in recreated.halt
    assert resolved(recreated).state.offsets == {}
    with pytest.raises(ConfigError, match="12 rows, which would be there twice"):
        resolve(replace(recreated, rows=12), "new")


ELSEWHERE = {
    "table": (world(table_uuid="table-2"), "the state was written to table table-1, this one is table-2"),
    "cluster": (
        world(kafka=Identity("cluster-2", {"a": "8", "b": "9"})),
        "the table was fed from cluster cluster-1, this is cluster-2",
    ),
    "topic": (world(kafka=Identity("cluster-1", {"a": "1", "b": "9"})), "created anew: b"),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_offsets_mean_elsewhere_only_a_person_knows(what: str) -> None:
    """Nothing is guessed: both ways are named."""
    found, said = ELSEWHERE[what]
    with pytest.raises(ConfigError, match=f"{said}, and only you know .*--offsets keep .*--offsets drop"):
        resolve(found, "new")


@pytest.mark.parametrize(
    ("what", "trust", "offsets"),
    [
        ("table", "keep", STATE.offsets),
        ("cluster", "keep", STATE.offsets),
        ("cluster", "drop", {}),
        ("topic", "keep", STATE.offsets),
        ("topic", "drop", {("a", 0): 5}),
    ],
)
def test_offsets_are_kept_or_dropped_as_it_is_said(what: str, trust: str, offsets: Any) -> None:
    """Of a topic that was created anew its own alone."""
    found, said = ELSEWHERE[what]
    done = resolved(found, trust)
    assert done.state.offsets == offsets
    assert said in done.steps[0]
    assert (done.state.cluster_id, done.state.topic_ids) == (found.world.kafka.cluster_id, found.world.kafka.topic_ids)


def test_without_a_snapshot_that_has_a_state_the_properties_are_believed() -> None:
    """Expiring snapshots drops their summaries; the properties stay."""
    found, _ = ELSEWHERE["cluster"]
    assert resolved(replace(found, summary=None), "keep").state.offsets == STATE.offsets


def test_another_table_is_filled_anew_only_if_it_is_empty() -> None:
    """Its rows would be there twice."""
    found, _ = ELSEWHERE["table"]
    with pytest.raises(ConfigError, match="which would be there twice"):
        resolve(found, "new", "drop")
    assert resolved(replace(found, rows=0), "drop").state.offsets == {}


def test_offsets_that_kafka_has_not_become_the_nearest_that_it_has() -> None:
    """What is lost is named, and so is what will be other records."""
    done = resolved(world(logs={**LOGS, ("a", 0): range(8, 10), ("b", 0): range(4)}))
    assert done.state.offsets == {("a", 0): 8, ("b", 0): 4}
    assert done.steps == (
        "a[0] goes on at 8: offsets 5 to 7 are lost",
        "b[0] goes on at 4, where Kafka ends: offsets 4 to 6 will be other records",
    )


def test_several_contradictions_are_resolved_at_once() -> None:
    """Rolled back, on another cluster, and behind what it has."""
    found = replace(
        world(kafka=Identity("cluster-2", KAFKA.topic_ids), logs={("a", 0): range(6, 10)}),
        prop=replace(STATE, offsets={("a", 0): 9}),
    )
    done = resolved(found, "keep")
    assert len(done.steps) == 3
    assert done.state.offsets == {("a", 0): 6, ("b", 0): 7}
