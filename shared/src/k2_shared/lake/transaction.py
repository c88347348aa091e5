"""One commit to a table: rows and what is said of them, all or nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import AssertTableUUID
from pyiceberg.table.update.snapshot import _MergeAppendFiles, _OverwriteFiles


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


class _Replacing(_OverwriteFiles, _MergeAppendFiles):
    """Files in place of others, in one snapshot, and manifests merged.

    The library's overwrite merges none, and keeps for ever those that name deleted files alone.
    """

    def _build_manifest_evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        """One judge for each manifest: it remembers which one it is at, and the library asks by several threads."""
        made = super()._build_manifest_evaluator
        return lambda manifest: made(spec_id)(manifest)

    def _existing_manifests(self) -> list[ManifestFile]:
        found = super()._existing_manifests()
        return [each for each in found if each.has_added_files() or each.has_existing_files()]


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


def replace(
    table: Table,
    old: Iterable[DataFile],
    new: Iterable[DataFile],
    properties: Mapping[str, str],
    summary: Mapping[str, str],
) -> None:
    """Put data files in the place of others of the table as it was read, in one snapshot and one attempt. Blocks.

    Otherwise as ``append``; the old files must be the current snapshot's.

    Raises:
        CommitFailedException: others have moved the table's head, or it is another table.
        Exception: of the catalog or the store; the outcome is unknown.
    """
    kind = Operation.OVERWRITE if table.current_snapshot() else Operation.APPEND
    said = {**properties, **summary}
    with _Once(table) as transaction:
        transaction.set_properties(dict(properties))
        with _Replacing(kind, transaction, table.io, snapshot_properties=said) as replacing:
            for file in old:
                replacing.delete_data_file(file)
            for file in new:
                replacing.append_data_file(file)
