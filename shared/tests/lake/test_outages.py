"""What catalog and store do to a table's owner, on the real ones behind gates: nothing is lost, doubled or given up."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.retries import Interrupted
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import LakeTable
from k2_support.gates import Gates
from k2_support.http_proxy import ProxyRule
from k2_support.lake_requests import commit, data_file, manifest, path_has, read_table

TOPIC = "market.crypto.trades.binance"


@dataclass
class Owner(Gates):
    """A table's owner behind gates before its catalog and store."""

    table: LakeTable = field(init=False)


@pytest.fixture
def owner(table: Any, gates: Gates) -> Owner:
    """An owner with 30 attempts."""
    made = Owner(gates.catalog, gates.store)
    made.table = table.owner(retries=at_table(30, made.hear))
    return made


FAULTS: dict[str, Callable[[Owner], AbstractContextManager[ProxyRule]]] = {
    "the store refuses rows by 503": lambda owner: owner.store.refusing(503, data_file()),
    "the store refuses rows by 403": lambda owner: owner.store.refusing(403, data_file()),
    "the store refuses manifests by 503": lambda owner: owner.store.refusing(503, manifest()),
    "the store is cut": lambda owner: owner.store.cut(),
    "the catalog is cut": lambda owner: owner.catalog.cut(),
    "the catalog refuses a commit by 500": lambda owner: owner.catalog.refusing(500, commit()),
    "the catalog refuses a commit by 403": lambda owner: owner.catalog.refusing(403, commit()),
    "the catalog's replies to commits are lost": lambda owner: owner.catalog.cut(commit(), after=True),
}


UNREADABLE: dict[str, Callable[[Owner], AbstractContextManager[ProxyRule]]] = {
    "the catalog is cut": lambda owner: owner.catalog.cut(),
    "the catalog refuses to be read by 503": lambda owner: owner.catalog.refusing(503, read_table()),
    "the catalog answers what is no answer": lambda owner: owner.catalog.refusing(200, read_table()),
    "the catalog refuses to read by 501": lambda owner: owner.catalog.refusing(501, read_table()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_commit_outlives_the_fault(owner: Owner, table: Any, make_batch: Any, name: str) -> None:
    """Each kind of failure, twice in a row where it can be, costs attempts and neither rows nor copies."""
    owner.table.commit(make_batch(0, 5))
    if "lost" in name:
        owner.lift_after = 1  # the one commit that was done is found
    rule = owner.suffer(FAULTS[name](owner))
    assert owner.table.commit(make_batch(5, 12)).offsets == {(TOPIC, 0): 12}
    assert rule.done >= owner.lift_after == len(owner.errors)
    assert table.offsets() == list(range(12))
    assert table.stored() == table.referred()
    assert owner.table.retries.trouble is None


@pytest.mark.parametrize(
    ("fault", "doing", "peer"),
    [
        ("the store refuses rows by 403", "writing rows to the object store", "object store at http://127"),
        ("the catalog is cut", "reading the table from the catalog", "catalog at http://127"),
        ("the catalog refuses a commit by 500", "committing", "catalog at http://127"),
    ],
)
def test_attempts_that_are_used_up_say_what_failed(
    owner: Owner, table: Any, make_batch: Any, fault: str, doing: str, peer: str
) -> None:
    """One line: the table, how often, what it was doing, the failure, and what to check."""
    owner.table.retries.attempts = 2
    owner.lift_after = 3
    with FAULTS[fault](owner), pytest.raises(Unavailable) as gave_up:
        owner.table.commit(make_batch(0, 5))
    said = str(gave_up.value)
    assert said.startswith("table t")
    assert "bronze_crypto_trades could not be committed in 2 attempts, the last failed while" in said
    assert doing in said
    assert f"check the {peer}" in said
    assert "\n" not in said
    assert len(owner.errors) == 2
    assert table.offsets() == []


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_first_commit_and_its_state_outlive_the_fault(owner: Owner, table: Any, make_batch: Any, name: str) -> None:
    """As at a start: the catalog cannot be read for a moment."""
    rule = owner.suffer(UNREADABLE[name](owner))
    assert owner.table.state() is None
    assert rule.done == len(owner.errors) == 2
    owner.errors.clear()
    rule = owner.suffer(UNREADABLE[name](owner))
    owner.table.commit(make_batch(0, 5))
    assert rule.done == len(owner.errors) == 2
    assert table.offsets() == list(range(5))


def test_after_an_own_commit_the_table_is_not_read_again(owner: Owner, table: Any, make_batch: Any) -> None:
    """What the catalog answered to the commit is what there is; after another's commit it is read."""
    owner.table.commit(make_batch(0, 5))
    with owner.catalog.refusing(503, read_table()) as rule:
        owner.table.commit(make_batch(5, 7))
        assert rule.done == 0
    table.owner().commit(make_batch(0, 3, partition=1))
    owner.table.commit(make_batch(7, 9))
    assert (table.offsets(0), table.offsets(1)) == (list(range(9)), list(range(3)))


def test_a_stop_ends_attempts_that_fail(owner: Owner, table: Any, make_batch: Any) -> None:
    """What the batch held is read again by the next owner."""
    owner.lift_after = 1_000
    owner.table.retries.interrupt()
    with FAULTS["the store refuses rows by 403"](owner), pytest.raises(Interrupted):
        owner.table.commit(make_batch(0, 5))
    assert len(owner.errors) == 1
    assert table.offsets() == []


def test_a_dropped_table_halts(owner: Owner, table: Any, make_batch: Any) -> None:
    """It does not come back by waiting; the text says what to do."""
    owner.table.commit(make_batch(0, 5))
    table.catalog.drop_table(table.identifier)
    with pytest.raises(Halt, match=r"bronze_crypto_trades was dropped under a running sink: .*'k2 init'"):
        owner.table.commit(make_batch(5, 10))
    table.create()  # for the fixture, which drops it
    assert len(owner.errors) <= 1  # of the attempt that did not know yet


def test_what_cannot_be_dropped_is_left(owner: Owner, table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """An overtaken owner goes on also where the store refuses to delete its files."""

    def overtake(real: Any) -> Any:
        table.owner().commit(make_batch(0, 7))
        return real()

    wrap_commit(owner.table, overtake)
    deleting = path_has("/data/", method="DELETE")
    with owner.store.refusing(403, deleting) as rule, pytest.raises(Exception, match="another owner has committed"):
        owner.table.commit(make_batch(0, 10))
    assert rule.done
    assert len(table.stored() - table.referred()) == 1
