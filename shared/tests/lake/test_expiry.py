"""Snapshots are expired on the real catalog, and a commit takes no more for a long history."""

from itertools import count
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.metadata import TableMetadataV2
from requests.exceptions import ConnectionError as NoConnection

from k2_shared.lake import history
from k2_shared.lake import table as lake_table

TOPIC = "market.crypto.trades.binance"


def ids(table: Any) -> list[int]:
    return [snapshot.snapshot_id for snapshot in table.load().snapshots()]


def test_what_nothing_needs_goes_and_nothing_else(long: Any, make_batch: Any) -> None:
    """Rows and state are as before, for this owner and the next; a tagged snapshot stays."""
    long.load().manage_snapshots().create_tag(7, "day").commit()
    owner = long.owner()
    state = owner.state()
    assert owner.expire(0.0) == 50
    assert ids(long) == [7, *range(52, 152)]
    assert owner.snapshots == 101
    assert owner.state() == long.owner().state() == state
    assert owner.expire(0.0) == 0
    assert owner.commit(make_batch(5, 8)).offsets == {(TOPIC, 0): 8}
    assert long.offsets() == list(range(8))


def test_young_snapshots_stay(long: Any) -> None:
    """They are as many as they are, and there is nothing to commit."""
    before = long.load().metadata_location
    assert long.owner().expire(3_600.0) == 0
    assert long.load().metadata_location == before


def test_an_append_meanwhile_refuses_the_expiry(long: Any, make_batch: Any, wrap_commit: Any) -> None:
    """Nothing of the other's is lost, and later the same snapshots go."""
    owner, other = long.owner(), long.owner()

    def overtake(real: Any) -> Any:
        other.commit(make_batch(5, 8))
        return real()

    wrap_commit(owner, overtake)
    with pytest.raises(CommitFailedException):
        owner.expire(0.0)
    assert long.offsets() == list(range(8))
    assert owner.expire(0.0) == 52
    assert long.offsets() == list(range(8))
    assert other.commit(make_batch(8, 9)).offsets == {(TOPIC, 0): 9}


def test_an_expiry_meanwhile_costs_an_append_nothing(long: Any, make_batch: Any, wrap_commit: Any) -> None:
    """The head is the same, so the append stands on it."""
    owner, other = long.owner(), long.owner()

    def overtake(real: Any) -> Any:
        assert other.expire(0.0)
        return real()

    wrap_commit(owner, overtake)
    owner.commit(make_batch(5, 8))
    assert long.offsets() == list(range(8))


def test_a_commit_reads_no_more_of_a_long_history(
    long: Any, make_batch: Any, wrap_commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One snapshot's properties, and no copy of the metadata: a commit that nothing met looks for no commit of its own.

    After an unknown outcome it looks as far as where that attempt began.
    """
    read, copied = count(), count()
    properties, copy = history.properties, TableMetadataV2.model_copy

    def counting(snapshot: Any) -> Any:
        next(read)
        return properties(snapshot)

    def noting(self: Any, **options: Any) -> Any:
        next(copied)
        return copy(self, **options)

    monkeypatch.setattr(history, "properties", counting)
    monkeypatch.setattr(TableMetadataV2, "model_copy", noting)
    owner = long.owner()
    owner.commit(make_batch(5, 8))
    assert (next(read), next(copied)) == (1, 0)

    def lose(_real: Any) -> None:
        raise NoConnection("refused")

    wrap_commit(owner, lose)
    owner.commit(make_batch(8, 9))
    assert next(read) == 4  # the state, twice; the head, which is the base, is no commit of this batch
    assert long.offsets() == list(range(9))


def test_an_own_commit_is_looked_for_after_an_unknown_outcome_alone(
    table: Any, make_batch: Any, wrap_commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict says that it did not land."""
    monkeypatch.setattr(lake_table, "landed", lambda *_: pytest.fail("it was looked for"))
    owner, other = table.owner(), table.owner()

    def overtake(real: Any) -> Any:
        other.commit(make_batch(0, 7, partition=1))
        return real()

    wrap_commit(owner, overtake)
    owner.commit(make_batch(0, 10))
    assert table.offsets() == list(range(10))
