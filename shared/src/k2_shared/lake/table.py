"""A table and the state of one sink in it: Parquet files once, offsets and rows in one commit."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid4

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID, RemoveSnapshotsUpdate

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.retries import RetryBudget, UsedUp, reason
from k2_shared.core.telemetry import logger
from k2_shared.kafka.identities import Identity
from k2_shared.lake.history import landed, nearest_state
from k2_shared.lake.memory import Turns
from k2_shared.lake.retention import expendable
from k2_shared.lake.retries import RETRYABLE, is_store
from k2_shared.lake.sink_state import SinkState, TableOffsets, agreed, by_topic, superseded
from k2_shared.lake.tally import Tally
from k2_shared.lake.transaction import append

T = TypeVar("T")

CONFLICT = "table_commit_conflict"
ORPHAN = "table_orphan_left"
# The library does not write bloom filters yet; the daily rewrite does (decision 1).
warnings.filterwarnings("ignore", message=r"Failed to delete old metadata after commit")
warnings.filterwarnings("ignore", message=r"Parquet writer option\(s\) .*bloom-filter.* not implemented")


class Superseded(Exception):
    """Another owner has committed rows of these partitions."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch to commit: its rows, and for each of its partitions its first offset and the one behind its last."""

    rows: pa.Table
    start: TableOffsets
    end: TableOffsets

    def to_summary(self, sink_id: str) -> dict[str, str]:
        """From which to which offsets it goes, for the snapshot's summary."""
        ranges = {at: (self.start[at], end) for at, end in self.end.items()}
        return {f"sink.{sink_id}.batch": by_topic(ranges)}


@dataclass
class _Effort:
    """What the attempts at one batch share; the files' names too, so that an attempt writes over the one before.

    ``unknown`` is set once an attempt ended without a word of its outcome, and ``base`` is the first such attempt's.
    """

    id: UUID = field(default_factory=uuid4)
    files: list[DataFile] = field(default_factory=list)
    unknown: bool = False
    base: int | None = None


class LakeTable:
    """One table and the state of one sink in it. Every method blocks; call it from one thread at a time."""

    def __init__(
        self, table: Table, sink_id: str, kafka: Identity, retries: RetryBudget, turns: Turns | None = None
    ) -> None:
        self._table = table
        self._sink_id = sink_id
        self._kafka = kafka
        self.retries = retries
        self._turns = turns or Turns()
        self._doing = ""
        self._tally = Tally()
        self._fresh = False  # whether nothing but our own commit has been heard of since the table was read

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns that a batch must have."""
        return self._table.schema().as_arrow()

    @property
    def uuid(self) -> str:
        """The table's identity: a table that was dropped and created again has another."""
        return str(self._table.metadata.table_uuid)

    def state(self) -> SinkState | None:
        """Read the sink's state from the table; None where it has none.

        Raises:
            Halt: it was dropped, recreated, rolled back or changed by hand.
            Unavailable: no attempt could read it.
            Interrupted: attempts failed, and the process is to stop.
        """
        return self._retried("read", self._look)

    def commit(self, batch: Commit) -> SinkState:
        """Commit rows and offsets in one snapshot, whatever fails meanwhile and however many others commit.

        Raises:
            Superseded: another owner moved the batch's partitions; none of its rows were written.
            Halt: the table was dropped or recreated, or contradicts its state.
            Unavailable: no attempt had a known outcome.
            Interrupted: attempts failed, and the process is to stop; a next start finds out what became of them.
        """
        effort = _Effort()
        return self._retried("committed", lambda: self._attempt(batch, effort))

    def _retried(self, what: str, work: Callable[[], T]) -> T:
        try:
            return self.retries.spend(work)
        except UsedUp as error:
            raise Unavailable(self._gave_up(what, error.last)) from None

    def _gave_up(self, what: str, last: Exception) -> str:
        peer = (
            f"object store at {self._table.io.properties.get('s3.endpoint')}"
            if is_store(last)
            else f"catalog at {self._table.catalog.properties.get('uri')}"
        )
        return (
            f"table {self._name} could not be {what} in {self.retries.attempts} attempts, the last failed while "
            f"{self._doing} ({reason(last)}): check the {peer}; the next start goes on where the table is"
        )

    @property
    def _name(self) -> str:
        return ".".join(self._table.name())

    def _look(self) -> SinkState | None:
        self._refresh()
        return self._known()

    def _known(self) -> SinkState | None:
        metadata = self._table.metadata
        prop = SinkState.from_properties(metadata.properties, self._sink_id)
        return agreed(nearest_state(metadata, self._sink_id), prop)

    def _refresh(self) -> None:
        self._doing, known = "reading the table from the catalog", self.uuid
        try:
            found = self._table.catalog.load_table(self._table.name())
        except NoSuchTableError:
            raise Halt(
                f"table {self._name} was dropped under a running sink: restore it if the catalog can, or run "
                "'k2 init' and do what the next start says"
            ) from None
        if str(found.metadata.table_uuid) != known:
            raise Halt(
                f"table {self._name} was recreated under a running sink: it was {known}, it is "
                f"{found.metadata.table_uuid}; restart to be told what to do"
            )
        self._table = found

    def _attempt(self, batch: Commit, effort: _Effort) -> SinkState:
        """One attempt; the table is read unless the last thing heard of it was our own commit.

        A commit asserts the head and the table's id, so one that others have moved meanwhile refuses it, and is read.
        """
        current = self._known() if self._fresh else self._look()
        self._fresh = False
        if current and effort.unknown and landed(self._table.metadata, self._sink_id, str(effort.id), effort.base):
            return self._counted(current, effort)  # an attempt whose reply was lost
        if superseded(current, batch.start):
            self._drop(effort.files)
            raise Superseded("another owner has committed")
        effort.files = effort.files or self._write(batch.rows, effort.id)
        return self._append(batch, current, effort)

    def _write(self, rows: pa.Table, name: UUID) -> list[DataFile]:
        self._doing = "writing rows to the object store"
        with self._turns.mine():
            return list(_dataframe_to_data_files(self._table.metadata, rows, self._table.io, name))

    def _append(self, batch: Commit, current: SinkState | None, effort: _Effort) -> SinkState:
        self._doing = "committing"
        merged = {**(current.offsets if current else {}), **batch.end}
        state = SinkState(merged, str(effort.id), self._kafka.cluster_id, self._kafka.topic_ids, self.uuid)
        properties = state.to_properties(self._sink_id)
        try:
            append(self._table, effort.files, properties, batch.to_summary(self._sink_id))
        except CommitFailedException as error:
            self._tally.conflicts += 1
            logger().info(CONFLICT, table=self._name, error=reason(error))
            raise
        except RETRYABLE:
            if not effort.unknown:
                effort.unknown, effort.base = True, self._table.metadata.current_snapshot_id
            raise
        self._fresh = True
        return self._counted(state, effort)

    def _counted(self, state: SinkState, effort: _Effort) -> SinkState:
        self._tally.add(effort.files)
        return state

    def tally(self) -> Tally:
        """What commits came to since this was asked last."""
        found, self._tally = self._tally, Tally()
        return found

    def expire(self, age_s: float, clock: Callable[[], float] = time.time) -> int:
        """Remove the snapshots that nothing needs and that are older than ``age_s``; returns how many.

        It asserts every tag and branch that was looked at, so what another owner commits meanwhile refuses it. Files
        that only they referred to are left to the search for orphans, and with them readers that still read.

        Raises:
            CommitFailedException: another owner was faster; later will do.
        """
        self._refresh()
        metadata = self._table.metadata
        found = expendable(metadata, int(age_s * 1_000), int(clock() * 1_000))
        if found:
            same_table = AssertTableUUID(uuid=metadata.table_uuid)
            refs = (
                AssertRefSnapshotId.model_validate({"ref": name, "snapshot-id": ref.snapshot_id})
                for name, ref in metadata.refs.items()
            )
            removal = RemoveSnapshotsUpdate.model_validate({"snapshot-ids": found})
            self._table._do_commit((removal,), (*refs, same_table))
        return len(found)

    @property
    def snapshots(self) -> int:
        """How many snapshots the table had when it was read last."""
        return len(self._table.metadata.snapshots)

    def _drop(self, files: list[DataFile]) -> None:
        """Delete data files that no snapshot has; one that cannot be deleted is left to ``remove_orphan_files``."""
        for file in files:
            try:
                self._table.io.delete(file.file_path)
            except OSError as error:
                logger().warning(ORPHAN, table=self._name, file=file.file_path, error=reason(error))
