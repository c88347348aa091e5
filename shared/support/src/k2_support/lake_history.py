"""A long history of a table, written as metadata instead of by as many commits of rows."""

import time

from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate

from k2_support.waiting import wait_for

STEP_MS = 2
_AT_ONCE = 500  # a catalog takes longer for each
_LONGEST_MS = 50_000  # catalogs refuse a snapshot that is a minute older than what they know


def lengthen(table: Table, commits: int) -> None:
    """Put ``commits`` snapshots behind a table's head, ``STEP_MS`` apart where there is room; all are of the past.

    Each is a copy of the head and has its rows; what the head says of a sink, all say. Their ids are their numbers.
    """
    head = table.current_snapshot()
    assert head is not None
    assert commits * STEP_MS <= _LONGEST_MS
    first_ms = max(head.timestamp_ms, table.metadata.last_updated_ms)
    made, parent = list[Snapshot](), head
    for number in range(1, commits + 1):
        sequence_number = (head.sequence_number or 0) + number
        parent = head.model_copy(
            update={
                "snapshot_id": sequence_number,
                "parent_snapshot_id": parent.snapshot_id,
                "sequence_number": sequence_number,
                "timestamp_ms": first_ms + number * STEP_MS,
            }
        )
        made.append(parent)
    for start in range(0, commits, _AT_ONCE):
        _add(table, made[start : start + _AT_ONCE])
    wait_for(lambda: time.time() * 1_000 > parent.timestamp_ms, 60, "the last snapshot's time")


def _add(table: Table, snapshots: list[Snapshot]) -> None:
    head = {"ref-name": "main", "type": SnapshotRefType.BRANCH, "snapshot-id": snapshots[-1].snapshot_id}
    updates = (AddSnapshotUpdate(snapshot=snapshot) for snapshot in snapshots)
    table._do_commit((*updates, SetSnapshotRefUpdate.model_validate(head)), ())
