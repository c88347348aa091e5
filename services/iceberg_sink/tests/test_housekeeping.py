"""When a table's snapshots are expired, and what becomes of it."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pyiceberg.exceptions import CommitFailedException
from requests.exceptions import ConnectionError as NoConnection

from iceberg_sink.housekeeping import Housekeeper
from iceberg_sink.settings import SinkSettings
from k2_shared.core.metrics import Metrics


class Kept:
    """A housekeeper with a clock of the test's."""

    def __init__(self, table: Any, **settings: float) -> None:
        self.now = 1_000.0
        self.metrics = Metrics("iceberg_sink", "0")
        self.owner = table.owner()
        self.housekeeper = Housekeeper("t", self.owner, SinkSettings.load(**settings), self.metrics, lambda: self.now)

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.metrics.registry
        return registry.get_sample_value(name, {"table": "t", **labels})


def test_it_expires_at_first_and_then_once_an_interval(long: Any) -> None:
    """It says how many went, and how many there are."""
    kept = Kept(long, sink_snapshot_age_s=0, sink_expire_interval_s=3_600)
    assert kept.housekeeper.due()
    kept.housekeeper.work()
    assert kept.value("k2_table_snapshots_expired_total") == 51
    assert kept.value("k2_table_snapshots") == 100
    assert kept.value("k2_table_expiries_total", outcome="done") == 1
    kept.now += 3_599
    assert not kept.housekeeper.due()
    kept.now += 1
    assert kept.housekeeper.due()


@pytest.mark.parametrize(
    ("error", "outcome"), [(CommitFailedException("behind"), "conflict"), (NoConnection("refused"), "failed")]
)
def test_what_fails_is_made_again_soon(long: Any, wrap_commit: Any, error: Exception, outcome: str) -> None:
    """It ends nothing, and is counted; a minute later it is due."""
    kept = Kept(long, sink_snapshot_age_s=0)

    def refuse(_real: Any) -> None:
        raise error

    wrap_commit(kept.owner, refuse)
    kept.housekeeper.work()
    assert kept.value("k2_table_expiries_total", outcome=outcome) == 1
    assert kept.value("k2_table_snapshots") == 151
    kept.now += 59
    assert not kept.housekeeper.due()
    kept.now += 1
    assert kept.housekeeper.due()
    kept.housekeeper.work()
    assert kept.value("k2_table_snapshots") == 100
