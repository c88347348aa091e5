"""Grafana in the compose file: behind its password, confined, with the files of deploy/grafana and one datasource."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.compose.composefile import ROOT, Compose

FOLDER = ROOT / "deploy/grafana"


@pytest.fixture
def grafana(compose: Compose) -> dict[str, Any]:
    found: dict[str, Any] = compose.services["grafana"]
    return found


def provisioned(path: str) -> dict[str, Any]:
    """A file by which Grafana is told at its start what it has."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "provisioning" / path).read_text())
    return found


def test_a_plain_up_starts_no_grafana(grafana: dict[str, Any]) -> None:
    """It comes with Prometheus, and after it."""
    assert grafana["profiles"] == ["monitoring"]
    assert grafana["depends_on"] == {"prometheus": {"condition": "service_healthy"}}


def test_grafana_writes_where_it_may(grafana: dict[str, Any]) -> None:
    """To its volume and to /tmp alone."""
    assert grafana["tmpfs"] == ["/tmp"]  # noqa: S108  # the container's own
    writable = [volume for volume in grafana["volumes"] if not volume.endswith(":ro")]
    assert writable == ["grafana-data:/var/lib/grafana"]


def test_nobody_looks_without_the_password(grafana: dict[str, Any], compose: Compose) -> None:
    """It is a variable, so that it need not be the one of this file."""
    environment = grafana["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert {environment["GF_SECURITY_ADMIN_PASSWORD"]} == compose.variables["GRAFANA_ADMIN_PASSWORD"]


def test_what_is_mounted_is_there(grafana: dict[str, Any]) -> None:
    """The folders of the provisioning, and the dashboards where the provider and the first page look for them."""
    mounted = {place: ROOT / path for path, place, _ in (v.split(":") for v in grafana["volumes"] if v.endswith(":ro"))}
    assert all(folder.is_dir() for folder in mounted.values())
    (provider,) = provisioned("dashboards/k2.yaml")["providers"]
    assert mounted[provider["options"]["path"]] == FOLDER / "dashboards"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).is_file()
    assert mounted["/etc/grafana/provisioning/datasources"] == FOLDER / "provisioning/datasources"
    assert mounted["/etc/grafana/provisioning/dashboards"] == FOLDER / "provisioning/dashboards"


def test_the_datasource_is_the_prometheus_of_the_file(compose: Compose) -> None:
    """At its name and port, with the interval at which it scrapes: windows of rates follow from it."""
    (datasource,) = provisioned("datasources/prometheus.yaml")["datasources"]
    (port,) = (port.rsplit(":", 1)[1] for port in compose.services["prometheus"]["ports"])
    assert datasource["url"] == f"http://prometheus:{port}"
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())["global"]["scrape_interval"]
    assert datasource["jsonData"]["timeInterval"] == scraping
