"""Which snapshots may go, and which never."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.table.metadata import TableMetadata, TableMetadataV2
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from k2_shared.lake.history import landed, nearest_state
from k2_shared.lake.retention import NEWEST, expendable, last_before_today
from k2_shared.lake.sink_state import SinkState

HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS  # 16:00
MIDNIGHT_MS = 984 * HOUR_MS


def state(sink: str, number: int) -> dict[str, str]:
    return SinkState({("a", 0): number}, f"commit-{number}", "cluster", {"a": "1"}, "table").to_properties(sink)


def history(
    count: int,
    *,
    step_ms: int = 5_000,
    end_ms: int = NOW_MS,
    refs: dict[str, Any] | None = None,
    **sinks: list[int],
) -> TableMetadata:
    """Snapshots 1 to ``count``, the last of them now; those that are listed for a sink hold its state."""
    snapshots = [
        Snapshot(
            snapshot_id=number,
            parent_snapshot_id=number - 1 or None,
            sequence_number=number,
            timestamp_ms=end_ms - (count - number) * step_ms,
            manifest_list=f"s3://lake/{number}.avro",
            summary=Summary(
                Operation.APPEND,
                **{k: v for sink, held in sinks.items() if number in held for k, v in state(sink, number).items()},
            ),
        )
        for number in range(1, count + 1)
    ]
    main = {"main": {"snapshot-id": count, "type": "branch"}} if count else {}
    return TableMetadataV2.model_validate(
        {
            "location": "s3://lake",
            "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
            "last-column-id": 1,
            "last-sequence-number": count,
            "schemas": [{"type": "struct", "schema-id": 0, "fields": []}],
            "current-schema-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": []}],
            "sort-orders": [{"order-id": 0, "fields": []}],
            "current-snapshot-id": count or None,
            "snapshots": snapshots,
            "refs": main | (refs or {}),
        }
    )


def gone(metadata: TableMetadata, age_ms: int = HOUR_MS) -> set[int]:
    return set(expendable(metadata, age_ms, NOW_MS))


def test_what_is_older_goes_oldest_first() -> None:
    """A day at a commit every five seconds: an hour's stay, the one of exactly that age, and the last of yesterday."""
    found = expendable(history(17_280), HOUR_MS, NOW_MS)
    assert found == [number for number in range(1, 17_280 - 720) if number != 17_280 - 16 * 720 - 1]


def test_the_newest_hundred_stay_however_old() -> None:
    """A table that is written once a day keeps a hundred days."""
    assert NEWEST == 100
    assert gone(history(150, step_ms=24 * HOUR_MS)) == set(range(1, 51))
    assert gone(history(100, step_ms=24 * HOUR_MS)) == set()
    assert gone(history(0)) == set()


def test_the_newest_state_of_each_sink_stays() -> None:
    """However many snapshots of others have come since; its older ones go."""
    found = history(1_000, step_ms=HOUR_MS, k2=[10, 20], other=[20, 30], gone=[5])
    assert gone(found) == set(range(1, 901)) - {5, 20, 30}


def test_a_tag_holds_its_snapshot_alone() -> None:
    """As the last of a day is tagged for a week."""
    tags = {"day": {"snapshot-id": 50, "type": "tag"}}
    assert gone(history(1_000, step_ms=HOUR_MS, refs=tags)) == set(range(1, 901)) - {50}


@pytest.mark.parametrize(
    ("own", "held"),
    [
        ({}, {50}),
        ({"min-snapshots-to-keep": 3}, {48, 49, 50}),
        ({"max-snapshot-age-ms": 952 * HOUR_MS}, {48, 49, 50}),
    ],
)
def test_a_branch_holds_its_head_and_what_it_asks_for(own: dict[str, int], held: set[int]) -> None:
    """As many, or as young, as it says itself."""
    branches = {"audit": {"snapshot-id": 50, "type": "branch", **own}}
    assert gone(history(1_000, step_ms=HOUR_MS, refs=branches)) == set(range(1, 901)) - held


def test_the_head_stays_after_a_rollback() -> None:
    """Also where it is older than all that are kept by number."""
    rolled_back = history(1_000, step_ms=HOUR_MS)
    rolled_back = rolled_back.model_copy(update={"refs": history(7).refs, "current_snapshot_id": 7})
    assert 7 not in gone(rolled_back)


NIGHT = 375
LAST = 14
"""Commits every 20 s up to 02:00, and that of 23:59:40 among them."""


def night(*, rolled_back: dict[int, int] | None = None, refs: dict[str, Any] | None = None, **sinks: list[int]) -> Any:
    """What the sink keeps up to 02:00; a commit that comes upon a rollback has the number that it is given."""
    whole = history(NIGHT, step_ms=20_000, end_ms=MIDNIGHT_MS + 2 * HOUR_MS, refs=refs, **sinks)
    parents = rolled_back or {}
    kept = [
        each.model_copy(update={"parent_snapshot_id": parents.get(each.snapshot_id, each.parent_snapshot_id)})
        for each in whole.snapshots
    ]
    for now_ms in range(MIDNIGHT_MS, MIDNIGHT_MS + 2 * HOUR_MS + 1, HOUR_MS // 4):
        there = [each for each in kept if each.timestamp_ms <= now_ms]
        head = {"current_snapshot_id": there[-1].snapshot_id, "refs": history(there[-1].snapshot_id, refs=refs).refs}
        lost = set(expendable(whole.model_copy(update={"snapshots": there, **head}), HOUR_MS, now_ms))
        kept = [each for each in kept if each.snapshot_id not in lost]
    return whole.model_copy(update={"snapshots": kept})


def last_of(metadata: TableMetadata) -> int | None:
    found = last_before_today(metadata, MIDNIGHT_MS + 2 * HOUR_MS)
    return found.snapshot_id if found else None


def test_the_last_before_midnight_outlives_the_hours_after_it() -> None:
    """Though those between it and what is an hour old are gone, as at a table with a commit every twenty seconds."""
    found = night()
    assert [each.snapshot_id for each in found.snapshots] == [LAST, *range(NIGHT - 180, NIGHT + 1)]
    assert last_of(found) == LAST


def test_the_next_midnight_lets_the_last_of_the_former_day_go() -> None:
    """Unless it is tagged: a table keeps one of them."""
    later = MIDNIGHT_MS + 24 * HOUR_MS
    assert LAST not in expendable(night(), HOUR_MS, MIDNIGHT_MS + 2 * HOUR_MS)
    assert LAST in expendable(night(), HOUR_MS, later)


@pytest.mark.parametrize("held", [{}, {"refs": {"bad": {"snapshot-id": LAST, "type": "tag"}}}, {"other": [LAST]}])
@pytest.mark.parametrize("again", [75, 175])
def test_what_was_rolled_back_is_not_the_days_last(held: dict[str, Any], again: int) -> None:
    """After midnight to the tenth: the last is no ancestor of what came then, also where a tag or a state holds it."""
    found = night(rolled_back={again: 10}, **held)
    assert last_of(found) == 10
    assert (LAST in [each.snapshot_id for each in found.snapshots]) == bool(held)


def test_where_nothing_is_surely_the_days_last_nothing_is() -> None:
    """A tag of long ago behind a gap, as of nights before it was kept; a table that begins after midnight."""
    tags = {"day": {"snapshot-id": 7, "type": "tag"}}
    found = night(refs=tags)
    cut = found.model_copy(update={"snapshots": [each for each in found.snapshots if each.snapshot_id != LAST]})
    assert last_of(cut) is None
    assert last_of(history(5, end_ms=MIDNIGHT_MS + HOUR_MS)) is None
    assert last_of(history(0)) is None


@given(st.integers(0, 400), st.integers(1, HOUR_MS), st.sets(st.integers(1, 400)), st.integers(0, 10 * HOUR_MS))
def test_what_goes_is_never_needed(count: int, step_ms: int, held: set[int], age_ms: int) -> None:
    """Whatever the history: head, newest hundred, young ones and each sink's newest state are not among it."""
    metadata = history(count, step_ms=step_ms, k2=sorted(held))
    found = gone(metadata, age_ms)
    states = [number for number in held if number <= count]
    assert not found & set(range(count - 99, count + 1))
    assert not states or max(states) not in found
    assert all((count - number) * step_ms > age_ms for number in found)
    assert len(found) == len(expendable(metadata, age_ms, NOW_MS))


def test_an_own_commit_is_looked_for_up_to_its_base() -> None:
    """Found behind others' commits; what is older than the base is not looked at."""
    metadata = history(10, k2=[4, 6])
    assert landed(metadata, "k2", "commit-6", base=5)
    assert landed(metadata, "k2", "commit-6", base=None)
    assert not landed(metadata, "k2", "commit-6", base=6)
    assert not landed(metadata, "k2", "commit-4", base=5)
    assert not landed(metadata, "other", "commit-6", base=1)
    assert not landed(history(0), "k2", "commit-1", base=None)


def test_the_nearest_state_counts() -> None:
    """Of this sink, as far back as snapshots are kept."""
    metadata = history(10, k2=[4, 6], other=[8])
    found = nearest_state(metadata, "k2")
    assert found is not None
    assert found.commit_id == "commit-6"
    assert nearest_state(metadata, "none") is None
    cut = metadata.model_copy(update={"snapshots": [s for s in metadata.snapshots if s.snapshot_id > 8]})
    assert nearest_state(cut, "k2") is None
