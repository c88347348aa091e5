"""The retention of a table's snapshots: which may be expired; pure."""

from collections.abc import Iterator

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot

from k2_shared.lake.history import ancestors, properties
from k2_shared.lake.sink_state import sinks_in

NEWEST = 100


def expendable(metadata: TableMetadata, age_ms: int, now_ms: int) -> list[int]:
    """The ids of the snapshots that nothing needs, oldest first.

    Kept are those no older than ``age_ms``, the newest hundred, the newest with each sink's state, and what tags and
    branches hold; the head is what the main branch holds.
    """
    newest_first = sorted(metadata.snapshots, key=_order, reverse=True)
    kept = {snapshot.snapshot_id for snapshot in newest_first[:NEWEST]}
    kept.update(s.snapshot_id for s in newest_first if now_ms - s.timestamp_ms <= age_ms)
    kept.update(_states(newest_first))
    for ref in metadata.refs.values():
        kept.update(_held(metadata, ref, now_ms))
    return [s.snapshot_id for s in reversed(newest_first) if s.snapshot_id not in kept]


def _order(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.sequence_number or 0, snapshot.timestamp_ms


def _states(newest_first: list[Snapshot]) -> Iterator[int]:
    """The ids of the newest snapshots that have each sink's state."""
    seen: set[str] = set()
    for snapshot in newest_first:
        found = sinks_in(properties(snapshot))
        if found - seen:
            yield snapshot.snapshot_id
        seen |= found


def _held(metadata: TableMetadata, ref: SnapshotRef, now_ms: int) -> Iterator[int]:
    """The ids of the snapshots that a tag or branch keeps: its own, and of a branch as many before it as it says."""
    yield ref.snapshot_id
    if ref.snapshot_ref_type is SnapshotRefType.TAG:
        return
    for number, snapshot in enumerate(ancestors(metadata, ref.snapshot_id)):
        if number < (ref.min_snapshots_to_keep or 1) or now_ms - snapshot.timestamp_ms <= (
            ref.max_snapshot_age_ms or 0
        ):
            yield snapshot.snapshot_id
