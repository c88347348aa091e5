"""A table's snapshots from the newest back: a sink's last state in them, and whether a commit is among them; pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from k2_shared.lake.offload_state import OffloadedHour
from k2_shared.lake.sink_state import SinkState


def properties(snapshot: Snapshot) -> Mapping[str, str]:
    """The properties that its writer put into a snapshot's summary."""
    return snapshot.summary.additional_properties if snapshot.summary else {}


def ancestors(metadata: TableMetadata, start: int | None) -> Iterator[Snapshot]:
    """A snapshot and those before it, nearest first, as far as they are kept; each step takes the same time."""
    kept = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    while start is not None and start in kept:
        yield kept[start]
        start = kept[start].parent_snapshot_id


def nearest_state(metadata: TableMetadata, sink_id: str) -> SinkState | None:
    """A sink's state in the newest snapshot that has one.

    Raises:
        Halt: that state is damaged.
    """
    found = (
        SinkState.from_properties(properties(snapshot), sink_id)
        for snapshot in ancestors(metadata, metadata.current_snapshot_id)
    )
    return next((state for state in found if state is not None), None)


def landed(metadata: TableMetadata, sink_id: str, commit_id: str, base: int | None) -> bool:
    """Whether a commit stands in the table, made on ``base`` or later; others may have committed after it."""
    for snapshot in ancestors(metadata, metadata.current_snapshot_id):
        if snapshot.snapshot_id == base:
            return False
        if properties(snapshot).get(f"sink.{sink_id}.commit-id") == commit_id:
            return True
    return False


def newest_offload(metadata: TableMetadata, table: str) -> tuple[Snapshot, OffloadedHour] | None:
    """The newest commit of an hour, as far as snapshots are kept, and what it says of the hour.

    Raises:
        Halt: that is damaged.
    """
    for snapshot in ancestors(metadata, metadata.current_snapshot_id):
        if hour := OffloadedHour.from_summary(properties(snapshot), table):
            return snapshot, hour
    return None


def offloads(metadata: TableMetadata, table: str, start: datetime, base: int | None) -> list[OffloadedHour] | None:
    """What commits made of an hour since ``base``, the newest first; None where ``base`` is not in the history.

    Raises:
        Halt: what a snapshot says of its hour is damaged.
    """
    found = list[OffloadedHour]()
    for snapshot in ancestors(metadata, metadata.current_snapshot_id):
        if snapshot.snapshot_id == base:
            return found
        hour = OffloadedHour.from_summary(properties(snapshot), table)
        found += [hour] if hour and hour.start == start else []
    return found if base is None else None
