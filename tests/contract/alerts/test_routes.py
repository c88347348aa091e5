"""Whom Alertmanager tells of an alert, and which alerts are silent while another says it already."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.alerts.tools import AMTOOL

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
ROUTING: dict[str, Any] = yaml.safe_load((FOLDER / "alertmanager.yaml").read_text())
ALERTS = {
    rule["alert"]: rule["labels"]["severity"]
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}


def test_alertmanager_reads_its_file() -> None:
    """Without a receiver that leads anywhere: nobody is told of anything by default."""
    AMTOOL.run("check-config", "alertmanager.yaml", folder=FOLDER)
    assert ROUTING["receivers"] == [{"name": "page"}, {"name": "ticket"}]


@pytest.mark.parametrize("severity", sorted(set(ALERTS.values())))
def test_an_alert_goes_to_the_receiver_of_its_severity(severity: str) -> None:
    """Whatever its job; one without a severity is a ticket."""
    route = ("config", "routes", "test", "--config.file=alertmanager.yaml")
    assert AMTOOL.run(*route, f"severity={severity}", "job=silver", folder=FOLDER).strip() == severity
    assert AMTOOL.run(*route, "alertname=Other", folder=FOLDER).strip() == "ticket"


def test_alerts_are_grouped_by_what_is_wrong_and_where() -> None:
    """Ten partitions of one job are one message."""
    assert ROUTING["route"]["group_by"] == ["alertname", "job"]


def test_a_process_that_is_down_silences_what_else_is_said_of_it() -> None:
    """Of its own job alone, and never itself."""
    (rule,) = [each for each in ROUTING["inhibit_rules"] if each.get("equal") == ["job"] and _names(each) == ["K2Down"]]
    assert rule["target_matchers"] == ['alertname!="K2Down"']


def test_only_alerts_that_exist_silence_others_or_are_silenced() -> None:
    """A renamed alert cannot be told in vain, and none silences itself."""
    for rule in ROUTING["inhibit_rules"]:
        source, target = _names(rule), _names(rule, "target_matchers")
        assert source
        assert set(source) & set(target) == set(), rule
        assert set(source + target) - {"!K2Down"} <= ALERTS.keys(), rule


def _names(rule: dict[str, Any], of: str = "source_matchers") -> list[str]:
    """The alerts that the matchers of a rule name, each spelt out; one that is excluded has a mark before it."""
    found = [re.fullmatch(r'alertname(=~|!=|=)"([\w|]+)"', matcher) for matcher in rule[of]]
    return [("!" if said[1] == "!=" else "") + name for said in found if said for name in said[2].split("|")]
