"""The metadata of a table stays small, however often its sink commits."""

from typing import Any

import pytest

VERSIONS = 20
MERGED_AT = 5


def commit(table: Any, make_batch: Any, count: int) -> None:
    owner = table.owner()
    for number in range(count):
        owner.commit(make_batch(number, number + 1))
    assert table.offsets() == list(range(count))


def test_former_versions_are_deleted(table: Any, make_batch: Any) -> None:
    """The newest twenty before the current one stay, in the table's log and in the store."""
    commit(table, make_batch, VERSIONS + 4)
    assert len(table.load().metadata.metadata_log) == VERSIONS
    assert len([path for path in table.stored("metadata") if path.endswith(".metadata.json")]) == VERSIONS + 1


def test_a_former_version_that_is_gone_is_not_worth_a_warning(
    table: Any, make_batch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Some catalogs delete them themselves, as Iceberg's own REST server does."""
    owner = table.owner()
    for number in range(VERSIONS + 1):
        owner.commit(make_batch(number, number + 1))
    gone = table.load().metadata.metadata_log[0].metadata_file
    table.load().io.delete(gone)
    owner.commit(make_batch(VERSIONS + 1, VERSIONS + 2))
    assert gone not in {each.metadata_file for each in table.load().metadata.metadata_log}
    assert "Failed to delete" not in caplog.text


def test_manifests_are_merged(table: Any, make_batch: Any) -> None:
    """A scan opens few of them: where there are as many as the property says, they become one."""
    with table.load().transaction() as transaction:
        transaction.set_properties({"commit.manifest.min-count-to-merge": str(MERGED_AT)})
    commit(table, make_batch, 3 * MERGED_AT)
    found = table.load()
    assert len(found.current_snapshot().manifests(found.io)) <= MERGED_AT


def test_a_commit_copies_no_metadata(table: Any, make_batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy would cost more with every snapshot, and its changes are the catalog's to apply."""
    owner = table.owner()
    owner.commit(make_batch(0, 1))
    applied: list[Any] = []
    monkeypatch.setattr("pyiceberg.table.update_table_metadata", lambda *of, **more: applied.append((of, more)))
    owner.commit(make_batch(1, 2))
    assert applied == []
    assert table.offsets() == [0, 1]
