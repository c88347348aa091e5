"""The retention of a table's snapshots: which may be expired; pure."""

from collections.abc import Iterator

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot

from k2_shared.lake.history import ancestors, properties
from k2_shared.lake.sink_state import sinks_in

NEWEST = 100
DAY_MS = 86_400_000


def expendable(metadata: TableMetadata, age_ms: int, now_ms: int) -> list[int]:
    """The ids of the snapshots that nothing needs, oldest first.

    Kept are those no older than ``age_ms``, the newest hundred, the last before today, the newest with each sink's
    state, and what tags and branches hold; the head is what the main branch holds.
    """
    newest_first = _newest_first(metadata)
    kept = _needed(metadata, now_ms) | {snapshot.snapshot_id for snapshot in newest_first[:NEWEST]}
    kept.update(s.snapshot_id for s in newest_first if now_ms - s.timestamp_ms <= age_ms)
    if last := last_before_today(metadata, now_ms):
        kept.add(last.snapshot_id)
    return [s.snapshot_id for s in reversed(newest_first) if s.snapshot_id not in kept]


def last_before_today(metadata: TableMetadata, now_ms: int) -> Snapshot | None:
    """The main branch's last snapshot before today, in UTC; None where there is none, or none that is surely its own.

    At a busy table those after it are expired within the night, and nothing leads to it from the head any more. Then
    it is the newest of before today that only this rule keeps: one that was rolled back is kept by no rule of its own
    once the snapshots after midnight go, unless a tag, a branch or a sink's state holds it, and then it is not meant.
    """
    midnight_ms = now_ms - now_ms % DAY_MS
    oldest = None
    for oldest in ancestors(metadata, metadata.current_snapshot_id):
        if oldest.timestamp_ms < midnight_ms:
            return oldest
    if oldest is None or oldest.parent_snapshot_id is None:
        return None
    needed = _needed(metadata, now_ms)
    before = (s for s in _newest_first(metadata) if s.timestamp_ms < midnight_ms and s.snapshot_id not in needed)
    return next(before, None)


def _needed(metadata: TableMetadata, now_ms: int) -> set[int]:
    """The ids of the snapshots that somebody needs: sinks for their states, and who set a tag or made a branch."""
    needed = set(_states(_newest_first(metadata)))
    for ref in metadata.refs.values():
        needed.update(_held(metadata, ref, now_ms))
    return needed


def _newest_first(metadata: TableMetadata) -> list[Snapshot]:
    return sorted(metadata.snapshots, key=_order, reverse=True)


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
