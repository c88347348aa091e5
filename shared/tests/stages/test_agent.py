"""The shell of an agent, as a process: pages, exit codes, settings."""

import json
import signal
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.settings import AgentSettings
from k2_shared.stages.agent import MISSPELT
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.waiting import wait_for

SECRET = "hunter2-correct-horse"


def page(child: Child, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{child.web_port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def events(child: Child) -> list[dict[str, Any]]:
    return [json.loads(line) for line in child.log.read_text().splitlines() if line.startswith("{")]


class Toys:
    """Starts the toy agent from this folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Child] = []

    def start(self, *arguments: str, **environment: str) -> Child:
        own = {"PYTHONPATH": str(Path(__file__).parent), **environment}
        child = Child.agent("toy_agent", own, self.folder)
        child.arguments = arguments
        self.started.append(child.start())
        return child

    def ended(self, *arguments: str, **environment: str) -> Child:
        child = self.start(*arguments, **environment)
        wait_for(lambda: child.exit_code is not None, 60, "the toy's end")
        return child


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Toys]:
    runner = Toys(tmp_path)
    yield runner
    for child in runner.started:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_agent_shows_its_pages_and_ends_with_0(toys: Toys, number: signal.Signals) -> None:
    """Alive, ready and measured while it works; asked to end, it does so in order."""
    child = toys.start().wait_ready()
    assert page(child, "/healthz") == (200, '{"alive":true}')
    status, ready = page(child, "/readyz")
    assert (status, json.loads(ready)) == (200, {"ready": True, "missing": []})
    status, metrics = page(child, "/metrics")
    assert status == 200
    assert 'k2_records_received_total{topic="toy"} 1.0' in metrics
    assert 'k2_build_info{service="toy"' in metrics
    assert [path for path in AgentSettings.pages if page(child, path)[0] == HTTPStatus.NOT_FOUND] == []
    child.signal(number)
    wait_for(lambda: child.exit_code is not None, 60, "the end")
    assert child.exit_code == 0
    found = events(child)
    assert [event["event"] for event in found if event.get("service") == "toy"] == ["agent_started", "agent_stopped"]


def test_an_agent_that_is_not_ready_says_what_is_missing(toys: Toys) -> None:
    """Alive is not ready."""
    child = toys.start(TOY="never_ready")
    wait_for(lambda: child.missing() == ["starting"], 60, "the page")
    assert page(child, "/healthz")[0] == 200
    assert page(child, "/readyz")[0] == 503
    assert child.stop() == 0


@pytest.mark.parametrize(
    ("does", "code", "said"),
    [("halt", 3, "toy: the toy halts"), ("bad_start", 3, "toy: the toy may not start"), ("bug", 1, "the toy's bug")],
)
def test_a_failure_ends_the_process_with_its_code(toys: Toys, does: str, code: int, said: str) -> None:
    """An error of ours has its own code and is one line; anything else is 1, and its text is in the log."""
    child = toys.ended(TOY=does)
    assert child.exit_code == code
    text = child.log.read_text()
    assert said in (text.splitlines()[-1] if code == 3 else text)
    assert ("Traceback" in text) is (code == 1)
    with pytest.raises(Unavailable, match=f"ended with exit code {code}"):
        child.missing()


def test_a_shutdown_that_hangs_is_cut_and_is_not_exit_0(toys: Toys) -> None:
    """The supervisor does not have to kill it, and sees that it did not end in order."""
    child = toys.start(TOY="hang", SHUTDOWN_GRACE_S="0.5").wait_ready()
    child.signal(signal.SIGTERM)
    wait_for(lambda: child.exit_code is not None, 60, "the end")
    assert child.exit_code == 4
    assert child.log_tail(1) == "toy: the shutdown took longer than SHUTDOWN_GRACE_S=0.5"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ((), {"WEB_PORT": "none"}, "toy: WEB_PORT='none' is not allowed"),
        ((), {"TOY": "dance"}, "toy: TOY='dance' is not allowed: Input should be 'work', "),
        (
            (),
            {"K2_PREFIXX": "x."},
            "toy: K2_PREFIXX is read by nothing: K2_PREFIX may be meant: rename it, or remove it",
        ),
        (("--verbose",), {}, "toy: toy takes --help, --version or --print-config [--json], given --verbose"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_2(
    toys: Toys, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    """Nothing is started, nothing else is printed."""
    child = Child("toy_agent", {"PYTHONPATH": str(Path(__file__).parent), **environment}, toys.folder / "log", 0)
    child.arguments = arguments
    toys.started.append(child.start())
    wait_for(lambda: child.exit_code is not None, 60, "the end")
    assert child.exit_code == 2
    (line,) = child.log.read_text().splitlines()
    assert line.startswith(said)


def test_a_variable_that_may_be_misspelt_is_told_and_stops_nobody(toys: Toys) -> None:
    """Another service's, or other software's; its value, which may be secret, is not told."""
    child = toys.start(FEED_SOKETS=SECRET, KAFKA_BOOTSTRAP_SERVER=SECRET, KAFKA_HEAP_OPTS="-Xmx1g").wait_ready()
    assert child.stop() == 0
    told = {event["variable"]: event["meant"] for event in events(child) if event["event"] == MISSPELT}
    assert told == {"FEED_SOKETS": ["FEED_SOCKETS"], "KAFKA_BOOTSTRAP_SERVER": ["KAFKA_BOOTSTRAP_SERVERS"]}
    assert SECRET not in child.log.read_text()


def test_print_config_shows_every_setting_and_no_secret(toys: Toys) -> None:
    """It ends at once, with 0."""
    child = toys.ended("--print-config", TOY_PASSWORD=SECRET, KAFKA_SASL_PASSWORD=SECRET, K2_PREFIX="x.")
    assert child.exit_code == 0
    lines = [line for line in child.log.read_text().splitlines() if not line.startswith("#")]
    assert {"K2_PREFIX=x.", "TOY=work", "TOY_PASSWORD=**********", "KAFKA_SASL_PASSWORD=**********"} <= set(lines)
    assert lines == sorted(lines)
    assert SECRET not in child.log.read_text()


def test_the_fixture_for_agents_starts_them_on_the_tests_prefix(agents: Agents, run_settings: Any) -> None:
    """Agents of one test meet no other test's."""
    child = agents.start("toy_agent", PYTHONPATH=str(Path(__file__).parent))
    child.wait_ready()
    assert child.environment["K2_PREFIX"] == run_settings.k2_prefix
    assert child.kill() == -signal.SIGKILL


def test_an_agent_without_a_broker_names_the_setting_and_ends_with_4(toys: Toys) -> None:
    """The supervisor may try again; the operator reads one line, not a traceback."""
    child = toys.ended(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert child.exit_code == Unavailable.exit_code
    assert "check KAFKA_BOOTSTRAP_SERVERS" in child.log_tail()
    assert "Traceback" not in child.log.read_text()


def test_an_agent_whose_port_is_taken_names_the_setting_and_ends_with_2(toys: Toys) -> None:
    """A port that something listens on is refused by the name of its variable."""
    first = toys.start().wait_ready()
    second = toys.start()
    second.stop()
    taken = Child("toy_agent", {**second.environment, "WEB_PORT": str(first.web_port)}, second.log, first.web_port)
    toys.started.append(taken.start())
    wait_for(lambda: taken.exit_code is not None, 60, "the refusal")
    assert taken.exit_code == ConfigError.exit_code
    assert f"WEB_PORT={first.web_port} is taken" in taken.log_tail()
