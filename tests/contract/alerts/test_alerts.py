"""The alerts ask for metrics that the code has, lead to a row of a runbook, and fire when they should."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract import metric_names
from tests.contract.alerts.tools import PROMTOOL

from k2_shared.core import contracts

ROOT = Path(__file__).parents[3]
CASES = sorted(Path(__file__).parent.glob("*.yaml"))
GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"]
    for group in yaml.safe_load((metric_names.PROMETHEUS / "alerts.yaml").read_text())["groups"]
}
RULES = [rule for rules in GROUPS.values() for rule in rules]
RECORDED = metric_names.recorded()
OF_EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
SHARED_RUNBOOKS = {
    "k2-feeds": tuple(f"services/{venue.service}/README.md" for venue in contracts.venues().values()),
    "k2-exactly-once": ("services/silver/README.md", "services/gold/README.md"),
}


@OF_EACH
def test_an_alert_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A renamed metric cannot silence an alert."""
    asked = metric_names.asked(rule["expr"])
    assert asked
    assert asked <= metric_names.names() | RECORDED.keys()


@pytest.mark.parametrize("record", RECORDED)
def test_a_recorded_series_is_made_of_metrics_that_exist(record: str) -> None:
    """Its name says by which labels, of which metric and how; a case says what it is worth."""
    asked = metric_names.asked(RECORDED[record])
    assert asked
    assert asked <= metric_names.names()
    assert re.fullmatch(r"[a-z_]+:k2_\w+:\w+", record)
    assert any(each.startswith(record.split(":")[1]) for each in asked)
    cases = yaml.safe_load((Path(__file__).parent / "recording.yaml").read_text())["tests"]
    assert record in {asked["expr"] for case in cases for asked in case["promql_expr_test"]}


@OF_EACH
def test_an_alert_leads_to_its_row(rule: dict[str, Any]) -> None:
    """The runbook has one row of it: what it means, where to look, what to do."""
    path, _, words = rule["annotations"]["runbook"].partition(", ")
    assert words == f'"{rule["alert"]}"'
    assert_row(rule["alert"], path)
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("group", SHARED_RUNBOOKS)
def test_an_alert_of_several_services_has_its_row_in_each(group: str) -> None:
    """The summary names the exchange or the job, and so the file; the checkpoint is gold's alone."""
    for rule in GROUPS[group]:
        for path in SHARED_RUNBOOKS[group]:
            if (rule["alert"], path) != ("K2CheckpointOld", "services/silver/README.md"):
                assert_row(rule["alert"], path)


def assert_row(alert: str, path: str) -> None:
    rows = [line for line in (ROOT / path).read_text().splitlines() if line.startswith(f"| `{alert}` |")]
    assert len(rows) == 1, (alert, path)
    assert all(cell.strip() for cell in rows[0].strip("|").split("|"))
    assert rows[0].count("|") == 5


@OF_EACH
def test_an_alert_is_tried_both_ways(rule: dict[str, Any]) -> None:
    """There is a case in which it fires, and one in which it keeps quiet."""
    tried = {
        bool(asked["exp_alerts"])
        for cases in CASES
        for case in yaml.safe_load(cases.read_text())["tests"]
        for asked in case.get("alert_rule_test", ())
        if asked["alertname"] == rule["alert"]
    }
    assert tried == {False, True}


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_the_alerts_fire_when_they_should(cases: Path) -> None:
    """Prometheus itself evaluates every case."""
    PROMTOOL.run("test", "rules", cases.name, folder=cases.parent)
