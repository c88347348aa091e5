"""One commit to a table: rows and what is said of them, all or nothing."""

from collections.abc import Mapping, Sequence

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import AssertTableUUID


class _Once(Transaction):
    """A transaction that tries once, since a blind retry doubles rows.

    Its updates are the catalog's to apply: none of them is read here, so none is applied to a copy of the metadata,
    which would cost more with every snapshot.
    """

    @property
    def table_metadata(self) -> TableMetadata:
        return self._table.metadata

    def commit_transaction(self) -> Table:
        same_table = AssertTableUUID(uuid=self._table.metadata.table_uuid)
        self._table._do_commit(self._updates, (*self._requirements, same_table))
        return self._table


def append(
    table: Table, files: Sequence[DataFile], properties: Mapping[str, str], summary: Mapping[str, str] | None = None
) -> None:
    """Append data files, which may be none, to the table as it was read, in one snapshot and one attempt. Blocks.

    ``properties`` become the table's and stand in the snapshot's summary, ``summary`` in the latter alone.

    Raises:
        CommitFailedException: others have moved the table's head, or it is another table.
        Exception: of the catalog or the store; the outcome is unknown.
    """
    said = {**properties, **(summary or {})}
    with _Once(table) as transaction:
        transaction.set_properties(dict(properties))
        with transaction.update_snapshot(snapshot_properties=said).merge_append() as appended:
            for file in files:
                appended.append_data_file(file)
