"""The table side of the sink: Parquet files once, offsets and rows in one commit."""

import random
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, RESTError
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import AssertTableUUID
from requests.exceptions import RequestException

from iceberg_sink.domain import Offsets, SinkState, agreed, superseded
from k2_shared.errors import Halt, Unavailable
from k2_shared.telemetry import logger
from k2_shared.topic_ids import Identity

CONFLICT = "table_commit_conflict"
UNKNOWN = "table_commit_outcome_unknown"
_RETRY_CEILING_S = 2.0
# The library does not write bloom filters yet; the daily rewrite does (decision 1).
warnings.filterwarnings("ignore", message=r"Parquet writer option\(s\) .*bloom-filter.* not implemented")


class Superseded(Exception):
    """Another owner has written these partitions; carries the offsets that the table has."""

    def __init__(self, offsets: Offsets) -> None:
        super().__init__("another owner has committed")
        self.offsets = offsets


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch to commit: rows, where it starts and where it ends, for every partition that it touches."""

    rows: pa.Table
    start: Offsets
    end: Offsets


class _Once(Transaction):
    """A transaction that tries once, since a blind retry doubles rows; its metadata is computed once a change."""

    _memo: tuple[int, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if self._memo is None or self._memo[0] != len(self._updates):
            self._memo = (len(self._updates), super().table_metadata)
        return self._memo[1]

    def commit_transaction(self) -> Table:
        same_table = AssertTableUUID(uuid=self._table.metadata.table_uuid)
        self._table._do_commit(self._updates, (*self._requirements, same_table))
        return self._table


class LakeTable:
    """One table and the state of one sink in it. Every method blocks; call it from one thread at a time."""

    def __init__(self, table: Table, sink_id: str, kafka: Identity, attempts: int) -> None:
        self._table = table
        self._sink_id = sink_id
        self._kafka = kafka
        self._attempts = attempts

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns that a batch must have."""
        return self._table.schema().as_arrow()

    @property
    def uuid(self) -> str:
        """The table's identity: a table that was dropped and created again has another."""
        return str(self._table.metadata.table_uuid)

    def state(self) -> SinkState | None:
        """What the table says now.

        Raises:
            Halt: it was recreated, rolled back or changed by hand.
        """
        self._refresh()
        metadata = self._table.metadata
        summaries = (s.summary.additional_properties for s in _ancestors(metadata) if s.summary is not None)
        states = (SinkState.from_properties(summary, self._sink_id) for summary in summaries)
        nearest = next((state for state in states if state is not None), None)
        return agreed(nearest, SinkState.from_properties(metadata.properties, self._sink_id))

    def commit(self, batch: Commit) -> SinkState:
        """Commit rows and offsets in one snapshot, however often it takes and however many others commit.

        Raises:
            Superseded: another owner moved the batch's partitions; none of its rows were written.
            Unavailable: no attempt had a known outcome.
            Halt: the table contradicts its state.
        """
        commit_id, files = str(uuid.uuid4()), None
        for attempt in range(self._attempts):
            current = self.state()
            if current is not None and self._landed(commit_id):
                return current  # an attempt whose reply was lost
            if superseded(current, batch.start):
                self._drop(files or [])
                raise Superseded(current.offsets if current else {})
            files = files or self._write(batch.rows)
            try:
                return self._attempt(batch, current, commit_id, files)
            except CommitFailedException as error:
                logger().info(CONFLICT, table=self._name, attempt=attempt, error=str(error))
            except (CommitStateUnknownException, RESTError, RequestException, OSError) as error:
                logger().warning(UNKNOWN, table=self._name, attempt=attempt, error=repr(error))
            time.sleep(random.uniform(0, min(_RETRY_CEILING_S, 0.05 * 2**attempt)))  # noqa: S311
        raise Unavailable(f"table {self._name} could not be committed in {self._attempts} attempts")

    @property
    def _name(self) -> str:
        return ".".join(self._table.name())

    def _landed(self, commit_id: str) -> bool:
        """Whether a commit is in the table's history; others may have committed after it."""
        name = f"sink.{self._sink_id}.commit-id"
        return any(
            snapshot.summary is not None and snapshot.summary.additional_properties.get(name) == commit_id
            for snapshot in _ancestors(self._table.metadata)
        )

    def _refresh(self) -> None:
        known = self.uuid
        try:
            self._table.refresh()
        except ValueError as error:
            raise Halt(f"table {self._name} was recreated under a running sink (it was {known}): {error}") from None

    def _write(self, rows: pa.Table) -> list[DataFile]:
        return list(_dataframe_to_data_files(self._table.metadata, rows, self._table.io, uuid.uuid4()))

    def _attempt(self, batch: Commit, current: SinkState | None, commit_id: str, files: list[DataFile]) -> SinkState:
        merged = {**(current.offsets if current else {}), **batch.end}
        state = SinkState(merged, commit_id, self._kafka.cluster_id, self._kafka.topic_ids, self.uuid)
        properties = state.to_properties(self._sink_id)
        with _Once(self._table) as transaction:
            transaction.set_properties(properties)
            with transaction.update_snapshot(snapshot_properties=properties).merge_append() as append:
                for file in files:
                    append.append_data_file(file)
        return state

    def _drop(self, files: list[DataFile]) -> None:
        for file in files:
            self._table.io.delete(file.file_path)


def _ancestors(metadata: TableMetadata) -> Iterator[Snapshot]:
    """The current snapshot and those before it, nearest first."""
    snapshot = metadata.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else metadata.snapshot_by_id(parent)
