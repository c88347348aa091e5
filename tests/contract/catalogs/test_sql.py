"""A SQL catalog on PostgreSQL is a catalog as the REST one is, and its database may fail as that one may."""

import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from pyiceberg.exceptions import ServiceUnavailableError
from tests.contract.catalogs.conftest import Tables

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg
from k2_shared.lake.retries import RETRYABLE
from k2_shared.lake.table import Superseded
from k2_support.lake import batch, before_commit


def test_both_kinds_of_catalog_have_the_same_tables(tables: Tables) -> None:
    """In one database: what one commits the other reads, and either may commit next."""
    rest = LakeSettings.load(**tables.lake.settings())
    tables.owner().commit(batch(0, 5))
    assert tables.load(rest).metadata.table_uuid == tables.load().metadata.table_uuid
    tables.owner(rest).commit(batch(5, 7))
    tables.owner().commit(batch(7, 9))
    assert tables.offsets() == tables.offsets(rest) == list(range(9))


def test_contending_owners_lose_and_double_nothing(tables: Tables) -> None:
    """Two of different partitions, and their first commits from one snapshot; two of the same records."""
    together = threading.Barrier(2)

    def meet(real: Callable[[], Any]) -> Any:
        together.wait(30)
        return real()

    owners = [tables.owner(), tables.owner()]
    for owner in owners:
        before_commit(owner, meet)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda at: owners[at].commit(batch(at * 10, at * 10 + 3, partition=at)), (0, 1)))
    assert tables.offsets() == [0, 1, 2, 10, 11, 12]
    late = tables.owner()
    tables.owner().commit(batch(3, 6))
    with pytest.raises(Superseded):
        late.commit(batch(3, 5))


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_an_owner_outlives_its_database(tables: Tables, by: signal.Signals) -> None:
    """Killed, or restarted in order: its attempts fail as long, and then it goes on."""
    errors: list[Exception] = []
    owner = tables.owner(failed=errors.append)
    owner.commit(batch(0, 5))
    database = psutil.Process(tables.lake.process("postgres").pid)
    database.send_signal(by)
    database.wait()
    with ThreadPoolExecutor(1) as pool:
        committed = pool.submit(owner.commit, batch(5, 9))
        tables.lake.up()
        committed.result(60)
    assert tables.offsets() == list(range(9))
    assert all(isinstance(error, RETRYABLE) for error in errors)


def test_a_frozen_database_is_waited_for_as_long_as_it_says(tables: Tables) -> None:
    """Then the attempt has failed; the outcome of a commit that was under way is looked up."""
    errors: list[Exception] = []
    first = psutil.Process(tables.lake.process("postgres").pid)

    def thaw(error: Exception) -> None:
        errors.append(error)
        for process in every:
            process.resume()

    owner = tables.owner(tables.settings(iceberg_timeout_s=1.0), failed=thaw)
    owner.commit(batch(0, 5))
    every = [first, *first.children(recursive=True)]

    def freeze(real: Callable[[], Any]) -> Any:
        for process in every:
            process.suspend()
        return real()

    before_commit(owner, freeze)
    owner.commit(batch(5, 9))
    assert "the catalog's database failed" in str(errors[0])
    assert tables.offsets() == list(range(9))


@pytest.mark.parametrize(
    "wrong", [{"iceberg_credential": "k2:wrong"}, {"iceberg_catalog_uri": "postgresql://127.0.0.1:9/postgres"}]
)
def test_a_database_that_lets_nobody_in_is_told(tables: Tables, wrong: dict[str, str]) -> None:
    """As a catalog that is away, without the password."""
    with pytest.raises(RETRYABLE, match="the catalog's database failed") as told:
        iceberg.connect(tables.settings(**wrong))
    assert "wrong" not in str(told.value)


def test_an_owner_that_gives_up_names_the_database(tables: Tables) -> None:
    """And nothing of who logs in there."""
    owner = tables.owner(attempts=1)
    database = psutil.Process(tables.lake.process("postgres").pid)
    database.kill()
    database.wait()
    with pytest.raises(Unavailable, match=r"check the catalog at postgresql\+pg8000://127.0.0.1:\d+/postgres"):
        owner.commit(batch(0, 5))


@pytest.mark.parametrize("broken", [ConnectionResetError, BrokenPipeError, TimeoutError])
def test_a_connection_that_breaks_when_it_is_tried_is_the_databases_failure(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, broken: type[OSError]
) -> None:
    """Not the object store's, whose failures are ``OSError`` too."""
    catalog = iceberg.connect(tables.settings())

    def fail(*_: object, **__: object) -> None:
        raise broken

    monkeypatch.setattr("pg8000.legacy.Cursor.execute", fail)
    with pytest.raises(ServiceUnavailableError, match=f"the catalog's database failed .{broken.__name__}"):
        catalog.load_table(tables.identifier)


def test_packages_that_are_not_installed_are_named(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that has them."""
    monkeypatch.setitem(sys.modules, "k2_shared.lake.sql", None)
    with pytest.raises(ConfigError, match=r"not installed, .* install k2-shared\[lake-sql\]"):
        iceberg.connect(tables.settings())
