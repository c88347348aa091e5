"""A table and the state of one sink in it: Parquet files once, offsets and rows in one commit."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from k2_shared.core.retries import RetryBudget
from k2_shared.kafka.identities import Identity
from k2_shared.lake.history import landed, nearest_state
from k2_shared.lake.memory import Turns
from k2_shared.lake.owned import OwnedTable
from k2_shared.lake.retries import RETRYABLE
from k2_shared.lake.sink_state import SinkState, TableOffsets, agreed, by_topic, superseded
from k2_shared.lake.transaction import append


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


class LakeTable(OwnedTable):
    """One table and the state of one sink in it. Every method blocks; call it from one thread at a time."""

    def __init__(
        self, table: Table, sink_id: str, kafka: Identity, retries: RetryBudget, turns: Turns | None = None
    ) -> None:
        super().__init__(table, "sink", retries, turns)
        self._sink_id = sink_id
        self._kafka = kafka
        self._fresh = False  # whether nothing but our own commit has been heard of since the table was read

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

    def _look(self) -> SinkState | None:
        self._refresh()
        return self._known()

    def _known(self) -> SinkState | None:
        metadata = self._table.metadata
        prop = SinkState.from_properties(metadata.properties, self._sink_id)
        return agreed(nearest_state(metadata, self._sink_id), prop)

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

    def _append(self, batch: Commit, current: SinkState | None, effort: _Effort) -> SinkState:
        self._doing = "committing"
        merged = {**(current.offsets if current else {}), **batch.end}
        state = SinkState(merged, str(effort.id), self._kafka.cluster_id, self._kafka.topic_ids, self.uuid)
        properties = state.to_properties(self._sink_id)
        try:
            append(self._table, effort.files, properties, batch.to_summary(self._sink_id))
        except CommitFailedException as error:
            self._conflicted(error)
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
