"""A table that one owner writes: how it reads it, writes Parquet for it, tries again, and tells what failed."""

import time
import warnings
from collections.abc import Callable, Iterable
from itertools import count
from typing import TypeVar
from uuid import UUID

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID, RemoveSnapshotsUpdate

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.retries import RetryBudget, UsedUp, reason
from k2_shared.lake.memory import Turns
from k2_shared.lake.retention import expendable
from k2_shared.lake.retries import is_store
from k2_shared.lake.tally import Tally

T = TypeVar("T")

CONFLICT = "table_commit_conflict"
ORPHAN = "table_orphan_left"
# The library does not write bloom filters yet; the daily rewrite does (decision 1).
warnings.filterwarnings("ignore", message=r"Failed to delete old metadata after commit")
warnings.filterwarnings("ignore", message=r"Parquet writer option\(s\) .*bloom-filter.* not implemented")


class OwnedTable:
    """One table as one owner of it works at it; ``owner`` is what it is called where a person is to do something.

    Every method blocks; call it from one thread at a time.
    """

    def __init__(self, table: Table, owner: str, retries: RetryBudget, turns: Turns | None = None) -> None:
        self._table = table
        self._owner = owner
        self.retries = retries
        self._turns = turns or Turns()
        self._doing = ""
        self._tally = Tally()

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns that rows must have."""
        return self._table.schema().as_arrow()

    @property
    def uuid(self) -> str:
        """The table's identity: a table that was dropped and created again has another."""
        return str(self._table.metadata.table_uuid)

    @property
    def snapshots(self) -> int:
        """How many snapshots the table had when it was read last."""
        return len(self._table.metadata.snapshots)

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

    def _refresh(self) -> None:
        self._doing, known = "reading the table from the catalog", self.uuid
        try:
            found = self._table.catalog.load_table(self._table.name())
        except NoSuchTableError:
            raise Halt(
                f"table {self._name} was dropped under a running {self._owner}: restore it if the catalog can, or run "
                "'k2 init' and do what the next start says"
            ) from None
        if str(found.metadata.table_uuid) != known:
            raise Halt(
                f"table {self._name} was recreated under a running {self._owner}: it was {known}, it is "
                f"{found.metadata.table_uuid}; restart to be told what to do"
            )
        self._table = found

    def _write(self, rows: pa.Table, name: UUID, first: int = 0) -> list[DataFile]:
        """Write rows as files of a name, numbered from ``first``: who writes them again writes over them."""
        self._doing = "writing rows to the object store"
        with self._turns.mine():
            return list(_dataframe_to_data_files(self._table.metadata, rows, self._table.io, name, count(first)))

    def _conflicted(self, error: CommitFailedException) -> None:
        """Note that another owner's commit was ahead."""
        self._tally.conflicts += 1
        logger().info(CONFLICT, table=self._name, error=reason(error))

    def _drop(self, files: Iterable[DataFile]) -> None:
        """Delete data files that no snapshot has; one that cannot be deleted is left to ``remove_orphan_files``."""
        for file in files:
            try:
                self._table.io.delete(file.file_path)
            except OSError as error:
                logger().warning(ORPHAN, table=self._name, file=file.file_path, error=reason(error))
