"""The alerts ask for metrics that the code has, and lead to a row of a runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from k2_shared.telemetry import Metrics

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


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
