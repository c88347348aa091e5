"""What an hour's commit says of it, and the watermark."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyiceberg.table.metadata import TableMetadata, TableMetadataV2
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from k2_shared.core.errors import Halt
from k2_shared.lake.history import newest_offload, offloads
from k2_shared.lake.offload_state import OffloadedHour, advanced, watermark

TABLE = "silver_trades"
START = datetime(2026, 2, 28, 23, tzinfo=UTC)
NEXT = datetime(2026, 3, 1, 0, tzinfo=UTC)
HOUR = OffloadedHour(START, 12, "12:ab", "commit-1")


def history(*said: dict[str, str]) -> TableMetadata:
    """A table whose snapshots, from 1 up, say these things."""
    snapshots = [
        Snapshot(
            snapshot_id=number,
            parent_snapshot_id=number - 1 or None,
            sequence_number=number,
            timestamp_ms=number,
            manifest_list=f"s3://lake/{number}.avro",
            summary=Summary(Operation.OVERWRITE, **each),
        )
        for number, each in enumerate(said, start=1)
    ]
    return TableMetadataV2.model_validate(
        {
            "location": "s3://lake",
            "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
            "last-column-id": 1,
            "last-sequence-number": len(said),
            "schemas": [{"type": "struct", "schema-id": 0, "fields": []}],
            "current-schema-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": []}],
            "sort-orders": [{"order-id": 0, "fields": []}],
            "current-snapshot-id": len(said) or None,
            "snapshots": snapshots,
        }
    )


def test_what_is_said_of_an_hour_is_read_again() -> None:
    """Among what else stands in a summary, and apart from other tables."""
    said = {"total-records": "5", **HOUR.to_summary(TABLE), **advanced({}, TABLE, START)}
    assert OffloadedHour.from_summary(said, TABLE) == HOUR
    assert OffloadedHour.from_summary(said, "silver") is None
    assert said["offload.silver_trades.hour"] == "2026-02-28T23:00Z"


@pytest.mark.parametrize("name", list(HOUR.to_summary(TABLE)))
def test_what_is_damaged_halts(name: str) -> None:
    """A part that is missing."""
    said = HOUR.to_summary(TABLE)
    del said[name]
    with pytest.raises(Halt, match="what a snapshot of table silver_trades says of its hour is damaged"):
        OffloadedHour.from_summary(said, TABLE)


def test_the_watermark_never_goes_back() -> None:
    """It is the newest hour that was ever offloaded."""
    assert watermark({}, TABLE) is None
    first = advanced({}, TABLE, NEXT)
    assert watermark(first, TABLE) == NEXT
    assert advanced(first, TABLE, START) == first
    assert watermark(advanced(advanced({}, TABLE, START), TABLE, NEXT), TABLE) == NEXT
    assert watermark(first, "silver") is None


def test_a_watermark_that_is_no_time_halts() -> None:
    """It is not guessed."""
    with pytest.raises(Halt, match=r"offload\.silver_trades\.watermark was changed by hand: 'yesterday' is no time"):
        watermark({"offload.silver_trades.watermark": "yesterday"}, TABLE)


@pytest.mark.parametrize(
    ("base", "expected"),
    [(None, ["commit-4", "commit-1"]), (1, ["commit-4"]), (3, ["commit-4"]), (4, []), (9, None)],
)
def test_what_was_made_of_an_hour_since_a_snapshot(base: int | None, expected: list[str] | None) -> None:
    """The newest first, without other hours and what is of none; a snapshot that is not in the history is told."""

    def hour(start: datetime, commit: str) -> dict[str, str]:
        return OffloadedHour(start, 12, "12:ab", commit).to_summary(TABLE)

    metadata = history(hour(START, "commit-1"), hour(NEXT, "commit-2"), {}, hour(START, "commit-4"))
    found: Any = offloads(metadata, TABLE, START, base)
    assert found == expected if found is None else [each.commit_id for each in found] == expected


def test_a_table_without_snapshots_has_no_hours() -> None:
    """It was compared when it had none."""
    assert offloads(history(), TABLE, START, None) == []


def test_the_newest_commit_of_an_hour_is_found() -> None:
    """Behind those of others, as of a compaction; none where there is none."""
    later = OffloadedHour(NEXT, 3, "3:cd", "commit-2")
    found = newest_offload(history(HOUR.to_summary(TABLE), later.to_summary(TABLE), {"a": "b"}), TABLE)
    assert found is not None
    assert (found[0].snapshot_id, found[1]) == (2, later)
    assert newest_offload(history({"a": "b"}), TABLE) is None
