"""Alertmanager itself, with the project's file: who is told of an alert, and of which nobody while another says it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from tests.contract.alerts.test_routes import ALERTS, ROUTING
from tests.contract.alerts.tools import ALERTMANAGER
from tests.served import served

from k2_support.answering import answering
from k2_support.ports import HOST
from k2_support.waiting import wait_for

SOON_S, PATIENCE_S = "1s", 120.0


@dataclass(frozen=True)
class Told:
    """An alert of a job, as it came to a receiver, or as it is meant to."""

    receiver: str
    alert: str
    job: str
    is_firing: bool = True


def meant(alert: str, job: str) -> Told:
    """An alert that fires, at the receiver of its severity."""
    return Told(ALERTS[alert], alert, job)


CAUSES = [meant("K2Down", "silver"), meant("K2Down", "clickhouse"), meant("K2DlqShareHigh", "gold")]
SILENT = [meant("K2NotReady", "silver"), meant("K2WarmDown", "warm_sink"), meant("K2DlqShare", "gold")]
"""What each of the causes silences: another alert of its job, what others say of a server, its own lesser stage."""
OTHERS = [meant("K2NotReady", "offload"), meant("K2DlqShare", "feed_kraken")]
"""The same alerts of other jobs: a page and a ticket."""
LATER = meant("K2Lag", "lag_exporter")


class Receivers(ThreadingHTTPServer):
    """Receives what is told at the path of its receiver, and keeps it in order."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), Receiving)
        self.told: list[Told] = []

    def has(self, wanted: Sequence[Told]) -> bool:
        """Whether all of these came."""
        return set(wanted) <= set(self.told)


class Receiving(BaseHTTPRequestHandler):
    """One message of Alertmanager: a group of alerts."""

    server: Receivers

    def do_POST(self) -> None:
        """Keep each alert of the group."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for each in body["alerts"]:
            labels, is_firing = each["labels"], each["status"] == "firing"
            self.server.told.append(Told(self.path.strip("/"), labels["alertname"], labels["job"], is_firing))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Alertmanager:
    """One that runs at ``url``."""

    url: str

    def post(self, alerts: Sequence[Told], **ended: str) -> None:
        """Tell it of alerts, as Prometheus does."""
        said = [{"labels": {"alertname": a.alert, "job": a.job, "severity": ALERTS[a.alert]}, **ended} for a in alerts]
        requests.post(f"{self.url}/api/v2/alerts", json=said, timeout=PATIENCE_S).raise_for_status()

    def silenced(self) -> set[tuple[str, str]]:
        """The alerts that it keeps to itself because of another, with their jobs."""
        found = requests.get(f"{self.url}/api/v2/alerts", timeout=PATIENCE_S).json()
        return {(a["labels"]["alertname"], a["labels"]["job"]) for a in found if a["status"]["inhibitedBy"]}


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Both receivers, for one test."""
    with answering(Receivers()) as server:
        yield server


@pytest.fixture
def alertmanager(receivers: Receivers, tmp_path: Path) -> Iterator[Alertmanager]:
    """One without peers by the project's file, in which receivers lead somewhere and groups do not wait for long."""
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(leading_to(receivers.server_port)))
    options = ["--config.file=alertmanager.yaml", "--storage.path=data", "--cluster.listen-address="]
    with served("alertmanager", [*ALERTMANAGER.command(), *options], tmp_path) as url:
        yield Alertmanager(url)


def leading_to(port: int) -> dict[str, Any]:
    """The project's file with a webhook in each receiver, at the path of its name."""
    receivers = [
        {**each, "webhook_configs": [{"url": f"http://{HOST}:{port}/{each['name']}"}]} for each in ROUTING["receivers"]
    ]
    route = {**ROUTING["route"], "group_wait": SOON_S, "group_interval": SOON_S}
    return {**ROUTING, "route": route, "receivers": receivers}


def test_receivers_are_told_of_causes_and_not_of_what_follows(alertmanager: Alertmanager, receivers: Receivers) -> None:
    """A page and a ticket come; what another alert silences comes when that is over, and not before.

    Groups that began later are told of before it is looked at what was not.
    """
    alertmanager.post([*CAUSES, *SILENT, *OTHERS])
    wait_for(lambda: receivers.has([*CAUSES, *OTHERS]), PATIENCE_S, "the causes, and what has none")
    alertmanager.post([LATER])
    wait_for(lambda: receivers.has([LATER]), PATIENCE_S, "what came later")
    assert sorted(map(str, receivers.told)) == sorted(map(str, [*CAUSES, *OTHERS, LATER]))
    assert alertmanager.silenced() == {(each.alert, each.job) for each in SILENT}
    assert {each.receiver for each in OTHERS} == {"page", "ticket"}

    alertmanager.post(CAUSES, endsAt=datetime.now(UTC).isoformat())
    wait_for(lambda: receivers.has(SILENT), PATIENCE_S, "what the causes had silenced")
