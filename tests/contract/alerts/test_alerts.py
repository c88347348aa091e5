"""The alerts ask for metrics that the code has, lead to a row of a runbook, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from k2_shared.telemetry import Metrics

ROOT = Path(__file__).parents[3]
GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
}
RULES = [rule for rules in GROUPS.values() for rule in rules]
FEEDS = ("feed_kraken", "feed_binance")
CASES = Path(__file__).parent / "feeds.yaml"
_TIMEOUT_S = 60


def names() -> set[str]:
    """Every metric's name as Prometheus reads it."""
    return set(re.findall(r"^# TYPE (\S+)", generate_latest(Metrics("test", "0").registry).decode(), re.MULTILINE))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A renamed metric cannot silence an alert."""
    asked = set(re.findall(r"\bk2_\w+", rule["expr"]))
    assert asked
    assert asked <= names()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_row(rule: dict[str, Any]) -> None:
    """The runbook's file has the words to look for."""
    path, _, words = rule["annotations"]["runbook"].partition(", ")
    assert words.strip('"') in (ROOT / path).read_text()
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("rule", GROUPS["k2-feeds"], ids=lambda rule: rule["alert"])
def test_an_alert_of_the_feeds_has_its_row_in_both(rule: dict[str, Any], feed: str) -> None:
    """What it means, where to look, what to do; the summary names the exchange, and so the file."""
    rows = [line for line in (ROOT / f"services/{feed}/README.md").read_text().splitlines() if rule["alert"] in line]
    assert len(rows) == 1
    assert all(cell.strip() for cell in rows[0].strip("|").split("|"))
    assert rows[0].count("|") == 5


@pytest.mark.parametrize("rule", GROUPS["k2-feeds"], ids=lambda rule: rule["alert"])
def test_an_alert_of_the_feeds_is_tried_both_ways(rule: dict[str, Any]) -> None:
    """There is a case in which it fires, and one in which it keeps quiet."""
    tried = {
        bool(asked["exp_alerts"])
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for asked in case["alert_rule_test"]
        if asked["alertname"] == rule["alert"]
    }
    assert tried == {False, True}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, which comes with Prometheus")
def test_the_alerts_of_the_feeds_fire_when_they_should() -> None:
    """Prometheus itself evaluates every case."""
    done = subprocess.run(
        ["promtool", "test", "rules", CASES.name], cwd=CASES.parent, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
