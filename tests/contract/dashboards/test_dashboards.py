"""The dashboards ask for metrics that there are, show every one of them, and lead to what is to be done."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract import metric_names
from tests.contract.alerts.tools import PROMTOOL

from k2_grafana import alerts
from k2_grafana.__main__ import DASHBOARDS, FOLDER, ROOT, files
from k2_grafana.limits import steps
from k2_grafana.panels import Dashboard, Panel
from k2_grafana.promql import WINDOW

ALERTS = alerts.read(ROOT / "deploy/prometheus/alerts.yaml")
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
OF_EACH = pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{d.name}-{p.title}" for d, p in PANELS])
OF_EACH_DASHBOARD = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
UNITS = {"short", "s", "bytes", "Bps", "percentunit", "cps", "mps", "recps", "rowsps"}
NOT_SHOWN = {
    "k2_websocket_connected": "k2_feed_sockets says how many, and so whether one is",
    "process_virtual_memory_bytes": "address space that nobody uses; what is resident is shown",
}
"""Metrics on no panel, and why."""
UNWATCHED = {"K2Absent": "who is not asked has no series; its process is missing from every panel of resources"}
"""Alerts of no panel, and why."""


def test_the_files_are_what_the_tables_say() -> None:
    """Who changes one runs ``make dashboards``; nobody changes a file by hand."""
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == files(), "run: make dashboards"


@OF_EACH
def test_a_panel_asks_for_metrics_that_exist(dashboard: Dashboard, panel: Panel) -> None:
    """A renamed metric cannot empty a panel."""
    for series in panel.series:
        assert metric_names.asked(series.expr) or "ALERTS{" in series.expr, dashboard.name
        assert metric_names.asked(series.expr) <= metric_names.names() | metric_names.recorded().keys()


def test_every_metric_is_shown() -> None:
    """Or stands in the list of those that are not, with a reason."""
    exprs = [metric_names.spelt_out(series.expr) for _, panel in PANELS for series in panel.series]
    asked = {name for expr in exprs for name in metric_names.asked(expr)}
    hidden = {family for family, series in metric_names.families().items() if not asked & series}
    assert hidden == set(NOT_SHOWN)


def test_what_is_recorded_is_used() -> None:
    """By an alert or a panel: nothing is made every fifteen seconds for nobody."""
    exprs = [rule["expr"] for group in rule_groups() for rule in group["rules"]]
    exprs += [series.expr for _, panel in PANELS for series in panel.series]
    used = {name for expr in exprs for name in metric_names.asked(expr) if ":" in name}
    assert used == metric_names.recorded().keys()


def test_no_panel_says_again_what_is_recorded() -> None:
    """It asks for the series that its alert compares."""
    spelt = {" ".join(expr.split()) for expr in metric_names.recorded().values()}
    assert [(d.name, p.title) for d, p in PANELS for series in p.series if series.expr in spelt] == []


def test_every_alert_has_a_panel() -> None:
    """Where whoever was woken sees how it came about, with the limit drawn."""
    assert set(ALERTS) - {name for _, panel in PANELS for name in panel.alerts} == set(UNWATCHED)
    assert {name for _, panel in PANELS for name in panel.alerts} <= set(ALERTS)


@OF_EACH
def test_a_panel_says_what_it_shows(dashboard: Dashboard, panel: Panel) -> None:
    """It has a unit that Grafana knows, and a sentence; no other panel of its page has its title."""
    assert panel.unit in UNITS
    assert re.fullmatch(r"\S.{15,}\.", panel.about)
    assert [each.title for each in dashboard.panels].count(panel.title) == 1


@OF_EACH
def test_the_limits_of_a_panel_are_those_of_its_alerts(dashboard: Dashboard, panel: Panel) -> None:
    """Each in the colour of its severity; limits of a panel's own are numbers of the rule, or 1 where it counts."""
    known = {alert.limit for alert in map(ALERTS.__getitem__, panel.alerts)}
    drawn = [step.value for step in steps(panel, ALERTS)[1:]]
    assert drawn == sorted(panel.limits or known), dashboard.name
    rules = {rule["alert"]: rule["expr"] for group in rule_groups() for rule in group["rules"] if "alert" in rule}
    for limit in set(panel.limits) - {1}:
        assert any(re.search(rf"> {limit}\b", rules[name]) for name in panel.alerts)


def rule_groups() -> list[dict[str, Any]]:
    """The groups of Prometheus' rules."""
    groups: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    return groups


@OF_EACH
def test_the_answers_of_a_panel_can_be_told_apart(dashboard: Dashboard, panel: Panel) -> None:
    """A legend's labels are among those that the expression keeps."""
    for series in panel.series:
        named = set(re.findall(r"{{(\w+)}}", series.legend))
        expr = metric_names.spelt_out(series.expr)
        kept = {label for by in re.findall(r"by \(([^)]*)\)", expr) for label in by.split(", ")}
        assert named <= (kept or {"job", "instance"}), (dashboard.name, series)
        assert named or series.legend


@OF_EACH_DASHBOARD
def test_the_panels_of_a_row_fill_it(dashboard: Dashboard) -> None:
    """Grafana's page is 24 wide, and a hole in it looks like a panel that is missing."""
    for row in dashboard.rows:
        assert sum(panel.width for panel in row.panels) % 24 == 0, row.title


@OF_EACH_DASHBOARD
def test_prometheus_can_read_every_expression(dashboard: Dashboard, tmp_path: Path) -> None:
    """By its own parser, as rules that would record them."""
    exprs = [series.expr.replace(WINDOW, "1m") for panel in dashboard.panels for series in panel.series]
    rules = [{"record": f"shown:{place}", "expr": expr} for place, expr in enumerate(exprs)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))
    PROMTOOL.run("check", "rules", "rules.yaml", folder=tmp_path)


def linked() -> Iterator[tuple[str, str, list[str]]]:
    """Each panel of the files: of which dashboard, its title, and where its links lead."""
    for path in sorted(FOLDER.glob("*.json")):
        panels = json.loads(path.read_text())["panels"]
        yield from ((path.stem, p["title"], [link["url"] for link in p["links"]]) for p in panels if p["type"] != "row")


LINKED = list(linked())


@pytest.mark.parametrize(("name", "title", "urls"), LINKED, ids=[f"{name}-{title}" for name, title, _ in LINKED])
def test_a_panel_leads_to_its_runbook(name: str, title: str, urls: list[str]) -> None:
    """To a heading that is there, below which each of its alerts has its row."""
    said = ""
    for url in urls:
        path, _, heading = url.removeprefix("${repository}/").partition("#")
        text = (ROOT / path).read_text()
        assert f"\n## {heading.capitalize()}\n" in text
        said += text
    (panel,) = (panel for dashboard, panel in PANELS if (dashboard.name, panel.title) == (name, title))
    assert urls
    assert all(f"\n| `{alert}` |" in said for alert in panel.alerts)
