"""A driver's lines become metrics."""

from typing import Any

import pytest

from k2_shared.core.metrics import Metrics
from k2_support.spark_driver import unit
from maintenance.domain import Account

GOLD = "market_data.gold_crypto_trades"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("maintenance", "test")


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"k2_{name}", labels)


def heard(metrics: Metrics, *lines: dict[str, Any]) -> Account:
    account = Account(metrics.maintenance)
    for line in lines:
        account.hear(line)
    return account


def test_what_compaction_leaves_is_told(metrics: Metrics) -> None:
    """Files in all, and of the fullest partition; and how long it took."""
    heard(metrics, unit("compact", GOLD, files=12, files_in_fullest_partition=3, files_before=90, files_after=2))
    assert sample(metrics, "table_live_files", table=GOLD) == 12
    assert sample(metrics, "table_partition_files_max", table=GOLD) == 3
    assert sample(metrics, "maintenance_step_seconds", step="compact", table=GOLD) == 1.5


@pytest.mark.parametrize(("orphans", "files", "share"), [(5, 15, 0.25), (0, 0, 0.0), (0, 9, 0.0)])
def test_orphans_are_a_share_of_all_files(metrics: Metrics, orphans: int, files: int, share: float) -> None:
    """Of none, none."""
    found = {"orphans": orphans, "files": files, "named": []}
    heard(metrics, {"event": "orphans", "table": GOLD, **found}, unit("orphans", GOLD, **found))
    assert sample(metrics, "table_orphan_files_ratio", table=GOLD) == share


def test_the_audits_layers_are_told(metrics: Metrics) -> None:
    """Each with its hours that differ."""
    layers = [{"layer": "silver", "differing": [{"hour": "a"}, {"hour": "b"}]}, {"layer": "raw", "differing": []}]
    heard(metrics, unit("audit", "all", layers=layers, equal=False))
    assert sample(metrics, "audit_differing_hours", layer="silver") == 2
    assert sample(metrics, "audit_differing_hours", layer="raw") == 0


def test_of_other_steps_it_is_told_how_long_they_took(metrics: Metrics) -> None:
    """And nothing of the table."""
    heard(metrics, unit("manifests", GOLD, manifests_before=9, manifests_after=1))
    assert sample(metrics, "maintenance_step_seconds", step="manifests", table=GOLD) == 1.5
    assert sample(metrics, "table_live_files", table=GOLD) is None


def test_a_failure_changes_no_measurement(metrics: Metrics) -> None:
    """What was measured before stands; attempts that failed are counted."""
    attempt = {"event": "failed_attempt", "step": "compact", "table": GOLD, "reason": "a conflict"}
    heard(metrics, attempt, attempt, unit("compact", GOLD, reason="60 attempts failed"))
    assert sample(metrics, "table_live_files", table=GOLD) is None
    assert sample(metrics, "maintenance_failed_attempts_total", step="compact") == 2


@pytest.mark.parametrize("overran", [True, False])
def test_a_run_says_whether_its_time_was_over(metrics: Metrics, overran: bool) -> None:
    """By its last line; what only begins is no line of ours."""
    begun = {"event": "begun", "step": "compact", "table": GOLD}
    assert heard(metrics, begun, {"event": "done", "left": [], "overran": overran}).overran is overran
