"""Snapshots are expired on the real catalog, and a commit takes no more for a long history."""

from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.metadata import TableMetadataV2
from requests.exceptions import ConnectionError as NoConnection

from iceberg_sink import adapters, history
from iceberg_sink.housekeeping import Housekeeper
from iceberg_sink.settings import SinkSettings
from k2_shared.core.telemetry import Metrics
from k2_support.lake_history import lengthen

TOPIC = "market.crypto.trades.binance"


@pytest.fixture
def long(table: Any, make_batch: Any) -> Any:
    """A table with a row of offset 0 to 4 and 151 snapshots, of which 101 to 151 are too many."""
    table.owner().commit(make_batch(0, 5))
    lengthen(table.load(), 150)
    return table


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
    monkeypatch.setattr(adapters, "landed", lambda *_: pytest.fail("it was looked for"))
    owner, other = table.owner(), table.owner()

    def overtake(real: Any) -> Any:
        other.commit(make_batch(0, 7, partition=1))
        return real()

    wrap_commit(owner, overtake)
    owner.commit(make_batch(0, 10))
    assert table.offsets() == list(range(10))


class Kept:
    """A housekeeper with a clock of the test's."""

    def __init__(self, table: Any, **settings: float) -> None:
        self.now = 1_000.0
        self.metrics = Metrics("iceberg_sink", "0")
        self.owner = table.owner()
        self.keeper = Housekeeper("t", self.owner, SinkSettings.load(**settings), self.metrics, lambda: self.now)

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.metrics.registry
        return registry.get_sample_value(name, {"table": "t", **labels})


def test_it_expires_at_first_and_then_once_an_interval(long: Any) -> None:
    """It says how many went, and how many there are."""
    kept = Kept(long, sink_snapshot_age_s=0)
    assert kept.keeper.due()
    kept.keeper.work()
    assert kept.value("k2_table_snapshots_expired_total") == 51
    assert kept.value("k2_table_snapshots") == 100
    assert kept.value("k2_table_expiries_total", outcome="done") == 1
    kept.now += 3_599
    assert not kept.keeper.due()
    kept.now += 1
    assert kept.keeper.due()


@pytest.mark.parametrize(
    ("error", "outcome"), [(CommitFailedException("behind"), "conflict"), (NoConnection("refused"), "failed")]
)
def test_what_fails_is_made_again_soon(long: Any, wrap_commit: Any, error: Exception, outcome: str) -> None:
    """It ends nothing, and is counted; a minute later it is due."""
    kept = Kept(long, sink_snapshot_age_s=0)

    def refuse(_real: Any) -> None:
        raise error

    wrap_commit(kept.owner, refuse)
    kept.keeper.work()
    assert kept.value("k2_table_expiries_total", outcome=outcome) == 1
    assert kept.value("k2_table_snapshots") == 151
    kept.now += 59
    assert not kept.keeper.due()
    kept.now += 1
    assert kept.keeper.due()
    kept.keeper.work()
    assert kept.value("k2_table_snapshots") == 100
