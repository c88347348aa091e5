"""What is true of the Prometheus beside a stack; it needs no stack."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from k2_local import StackSettings, scraped
from k2_local.monitoring import Monitoring
from k2_local.prometheus import PROGRAM, program
from k2_local.targets import Agent
from k2_shared.core.errors import ConfigError
from k2_support.ports import free_port
from k2_support.waiting import wait_for


@pytest.fixture
def monitoring(settings: StackSettings) -> Iterator[Monitoring]:
    """One that was never started; skipped where there is no Prometheus."""
    try:
        program(settings.cache)
    except ConfigError as error:
        pytest.skip(str(error))
    found = Monitoring(settings)
    yield found
    found.down()


@pytest.fixture
def agent() -> Iterator[Agent]:
    """A process that says one thing of itself."""
    registry, port = CollectorRegistry(), free_port()
    Gauge("k2_ready", "1", registry=registry).set(1)
    server, thread = start_http_server(port, "127.0.0.1", registry)
    yield Agent(name="silver", url=f"http://127.0.0.1:{port}")
    server.shutdown()
    server.server_close()
    thread.join()


def asked(address: str, query: str) -> list[tuple[dict[str, str], str]]:
    """The series that a query finds, and their values."""
    answer = requests.get(f"{address}/api/v1/query", params={"query": query}, timeout=30)
    answer.raise_for_status()
    return [(each["metric"], each["value"][1]) for each in answer.json()["data"]["result"]]


def test_it_scrapes_who_stands_in_the_file_and_forgets_who_does_not(monitoring: Monitoring, agent: Agent) -> None:
    """The file may be written before or after its start; each is a job of its own name."""
    address = monitoring.up()
    assert asked(address, "up") == []
    scraped.write(monitoring.folder, [agent])
    wait_for(lambda: asked(address, "k2_ready") != [], 120, "the agent's first scrape")
    ((labels, value),) = asked(address, "k2_ready")
    assert (labels["job"], labels["instance"], value) == ("silver", agent.url.removeprefix("http://"), "1")
    scraped.write(monitoring.folder, ())
    wait_for(lambda: asked(address, "up") == [], 120, "nobody")


def test_it_judges_by_the_projects_rules(monitoring: Monitoring) -> None:
    """All of them are loaded, and sound."""
    answer = requests.get(f"{monitoring.up()}/api/v1/rules", timeout=30).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert {"K2Down", "job:k2_records_rejected:ratio_rate5m"} <= {rule["name"] for rule in rules}


def test_it_is_shown_while_it_is_meant_to_run(monitoring: Monitoring) -> None:
    """Not before it was asked for, nor after it was stopped; what it had scraped is kept, until all is deleted."""
    assert monitoring.shown() == []
    address = monitoring.up()
    (part,) = monitoring.shown()
    assert (part.part, part.state, address.endswith(f":{part.port}")) == (PROGRAM, "up", True)
    assert monitoring.up() == address
    monitoring.down()
    assert monitoring.shown() == []
    assert monitoring.up() == address
    monitoring.reset()
    assert not monitoring.settings.state.exists()
    assert monitoring.shown() == []


def test_a_machine_without_it_is_told_what_to_do(
    settings: StackSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started or written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = settings.model_copy(update={"k2_cache_dir": tmp_path / "cache"})
    with pytest.raises(
        ConfigError, match=r"there is no prometheus on PATH or at .*cache/prometheus: run 'make prometheus'"
    ):
        Monitoring(bare).up()
    assert not bare.state.exists()


def test_the_file_is_as_prometheus_reads_it(tmp_path: Path) -> None:
    """Host and port, under the name that the alerts ask for."""
    scraped.write(tmp_path, [Agent(name="gold", url="http://127.0.0.1:6064")])
    assert json.loads((tmp_path / scraped.FILE).read_text()) == [
        {"targets": ["127.0.0.1:6064"], "labels": {"job": "gold"}}
    ]
