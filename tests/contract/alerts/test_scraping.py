"""Prometheus asks all that docker-compose.yml runs and that has metrics, and nobody who is missing can be forgotten."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from tests.contract.alerts.tools import PROMTOOL
from tests.contract.compose.composefile import Compose, replaced_by_defaults

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
UNMEASURED = {"k2", "exchange_sim"}  # a command, and what stands in for the venues
SERVERS = {
    "clickhouse": 9363,
    "seaweedfs": 9327,
    "lakekeeper": 9000,
    "registry": 8080,
    "alertmanager": 9093,
    "prometheus": 9090,
    "grafana": 3000,
}
"""The servers that have metrics of their own over HTTP, by their port in their container."""
CONFIGURATION: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The compose file, its variables replaced."""
    replaced, variables = replaced_by_defaults((ROOT / "docker-compose.yml").read_text())
    return Compose(variables, yaml.safe_load(replaced))


def scraped() -> dict[str, list[str]]:
    """The targets of every job, which is asked at /metrics."""
    return {each["job_name"]: targets(each) for each in CONFIGURATION["scrape_configs"]}


def targets(job: dict[str, Any]) -> list[str]:
    """Those that are always there, or those that are looked for by a name and are called by it all the same."""
    if "static_configs" in job:
        assert job.keys() == {"job_name", "static_configs"}
        return [target for targets in job["static_configs"] for target in targets["targets"]]
    assert job.keys() == {"job_name", "dns_sd_configs", "relabel_configs"}
    found = [f"{name}:{asked['port']}" for asked in job["dns_sd_configs"] for name in asked["names"]]
    assert job["relabel_configs"] == [{"target_label": "instance", "replacement": each} for each in found]
    return found


def agents() -> set[str]:
    """Our services that have metrics."""
    return {folder.parent.name for folder in (ROOT / "services").glob("*/pyproject.toml")} - UNMEASURED


def test_prometheus_reads_its_files() -> None:
    """The configuration and every rule that it names."""
    PROMTOOL.run("check", "config", "prometheus.yaml", folder=FOLDER)


def test_all_that_has_metrics_is_scraped_under_its_name() -> None:
    """And nobody else: each of our services, and the servers."""
    ours = {name: [f"{name}:6066"] for name in agents()}
    assert scraped() == ours | {name: [f"{name}:{port}"] for name, port in SERVERS.items()}


def test_an_absent_service_is_told() -> None:
    """K2Absent asks for each job of ours; a server may be somebody else's."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    (absent,) = (rule for group in groups for rule in group["rules"] if rule["alert"] == "K2Absent")
    assert sorted(re.findall(r'absent\(up\{job="(\w+)"\}\)', absent["expr"])) == sorted(agents())


def test_what_is_scraped_the_compose_file_runs(compose: Compose) -> None:
    """A service by its own name; what is there for people to look at has metrics too."""
    assert scraped().keys() <= compose.services.keys()
    monitoring = {name for name, each in compose.services.items() if each.get("profiles") == ["monitoring"]}
    assert monitoring <= SERVERS.keys()


def test_the_servers_serve_their_metrics_at_that_port(compose: Compose) -> None:
    """As their own configuration says; the others' are at the port that people use."""
    services = compose.services
    assert f"-metricsPort={SERVERS['seaweedfs']}" in services["seaweedfs"]["command"]
    told = ElementTree.parse(ROOT / "deploy/clickhouse/server.xml").getroot().find("prometheus")  # noqa: S314  # ours
    assert told is not None
    assert (told.findtext("port"), told.findtext("endpoint")) == (str(SERVERS["clickhouse"]), "/metrics")
    for name in ("registry", "alertmanager", "prometheus"):
        (published,) = services[name]["ports"]
        assert published.endswith(f":{SERVERS[name]}"), name


def test_alerts_are_sent_to_the_alertmanager() -> None:
    """At the address at which it is scraped."""
    (manager,) = CONFIGURATION["alerting"]["alertmanagers"]
    assert manager == {"static_configs": [{"targets": scraped()["alertmanager"]}]}
