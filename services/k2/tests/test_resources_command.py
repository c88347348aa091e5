"""``k2 resources`` as an operator uses it: on real processes, found by hand, by a file of targets, by a stack."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from k2.main import app
from k2.resources.facts import Measured, Usage, reported
from k2.resources.finding import of_targets
from k2.resources.view import as_json, as_text
from k2_local.processes import Process
from k2_local.stack import KINDS
from k2_local.stack_state import StackState
from k2_local.targets import Agent, Targets
from k2_shared.core.resources import resources
from k2_support.ports import HOST, free_port
from k2_support.signals import sigint

LISTENS = """
import socket, sys
held = b"x" * {size}
with socket.create_server(("{host}", {port})):
    print("ready", flush=True)
    sys.stdin.read()
"""
PIDS = ("--seconds", "0.1")
TAKEN = reported(
    [
        Measured("feed_kraken", Usage(0.123, 96.4)),
        Measured("gold", Usage(0.714, 530.0)),
        Measured("a-stranger-with-a-long-name", Usage(0.0, 1_234.0)),
        Measured("offload", None, "no process of ours listens at http://127.0.0.1:1"),
    ],
    5.0,
    resources(),
)


@contextmanager
def listening(port: int, size: int = 1) -> Iterator[int]:
    """A process that listens on a port and holds some bytes; its pid."""
    program = LISTENS.format(host=HOST, port=port, size=size)
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout
        assert child.stdout.readline()
        yield child.pid
    finally:
        child.communicate()


def ran(*words: str, **environment: str) -> Result:
    """The command, for a tenth of a second."""
    return CliRunner().invoke(app, ["resources", *PIDS, *words], env=environment)


def said(done: Result) -> Any:
    """Its one line of JSON."""
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def of_gold(port: int, folder: Path) -> Targets:
    """A pipeline whose one agent has this web port, and whose servers are of a stack."""
    return Targets(agents=(Agent(name="gold", url=f"http://{HOST}:{port}", start="./gold"),), stack=folder)


def test_processes_that_are_named_are_measured_beside_their_targets() -> None:
    """Exit code 0; one line of JSON."""
    with listening(free_port()) as pid:
        done = ran("--pid", f"gold={pid}", "--json")
    found = said(done)
    assert (done.exit_code, found["ok"], found["verdict"], found["seconds"]) == (0, True, "ok", 0.1)
    gold = found["components"]["gold"]
    assert (gold["target_cpu"], gold["target_mb"], gold["over"]) == (0.5, 512, [])
    assert 1 < gold["memory_mb"] < 100
    assert found["own"]["memory_mb"] == found["total"]["memory_mb"] == gold["memory_mb"]
    assert (found["own"]["target_cpu"], found["total"]["target_cpu"]) == (4, 17.5)


def test_more_than_the_target_ends_with_1_and_is_named() -> None:
    """600 MB of 512."""
    with listening(free_port(), 600 * 1_048_576) as pid:
        done = ran("--pid", f"gold={pid}")
    assert done.exit_code == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith("gold over its target: 6")
    assert last.endswith(" of 512 MB")


def test_agents_are_found_by_their_web_ports(tmp_path: Path) -> None:
    """Whoever started them; what does not run is named with what starts it, and nothing at all ends with 4."""
    port = free_port()
    of_gold(port, tmp_path).write(tmp_path)
    with listening(port) as pid:
        (*_, found) = of_targets(of_gold(port, tmp_path))
        assert (found.name, found.pid) == ("gold", pid)
        done = ran("--targets", str(tmp_path), "--json")
    assert done.exit_code == 1
    assert said(done)["components"]["gold"]["memory_mb"] > 1
    done = ran("--targets", str(tmp_path))
    assert done.exit_code == 4
    assert f"gold does not run: no process of ours listens at http://{HOST}:{port}, start it with ./gold" in done.stdout


def test_servers_are_found_by_the_state_folder_of_their_stack(tmp_path: Path) -> None:
    """By pid and start time, so that a stranger is never taken for one."""
    with listening(free_port()) as pid:
        state = StackState(tmp_path)
        state.remember("kafka", Process(pid, psutil.Process(pid).create_time()))
        state.remember("clickhouse", Process(pid, psutil.Process(pid).create_time() - 100))
        found = {each.name: each for each in of_targets(Targets(stack=tmp_path))}
    assert list(found) == [kind.name for kind in KINDS["seaweed"]]
    assert found["kafka"].pid == pid
    assert found["clickhouse"].pid is None
    assert found["clickhouse"].where == f"'k2 stack up --state {tmp_path}' starts it"


def test_the_prometheus_beside_a_stack_is_found_while_it_is_meant_to_run(tmp_path: Path) -> None:
    """By its own folder; one that was not asked for is not missed, one that died is named with what starts it."""
    assert "prometheus" not in [each.name for each in of_targets(Targets(stack=tmp_path))]
    port = free_port()
    with listening(port) as pid:
        state = StackState(tmp_path / "metrics")
        state.remember_ports({"prometheus": port})
        state.remember("prometheus", Process(pid, psutil.Process(pid).create_time()))
        (*_, found) = of_targets(Targets(stack=tmp_path))
        assert (found.name, found.pid) == ("prometheus", pid)
    (*_, found) = of_targets(Targets(stack=tmp_path))
    assert (found.pid, found.where) == (None, f"'k2 stack up --state {tmp_path} --metrics' starts it")


def test_an_agent_elsewhere_is_not_found_here() -> None:
    """It says where to measure."""
    (found,) = of_targets(Targets(agents=(Agent(name="gold", url="http://gold.example:6064"),)))
    assert (found.pid, found.where) == (None, "http://gold.example:6064 is another machine: measure it there")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--pid", "gold"], "'gold' has no pid: name a process as NAME=PID, as in gold=4711"),
        (["--pid", "gold=x"], "gold=x is no process: name a process as NAME=PID"),
        (["--pid", "gold=0"], "gold=0 is no process"),
        (["--pid", "=5"], "=5 is no process"),
        (["--pid", "gold=5", "--pid", "gold=6"], "one name is given to two processes"),
        (["--compose", "k2", "--pid", "gold=5"], "--compose has --targets and --pid beside it"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], line: str) -> None:
    """Exit code 2, and one line that says what can."""
    done = ran(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"k2: {line}")
    assert done.stderr.count("\n") == 1


def test_where_nothing_is_named_the_error_says_how(tmp_path: Path) -> None:
    """As in a folder without a stack."""
    done = ran(K2_STATE_DIR=str(tmp_path), KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.exit_code == 2
    assert done.stderr.startswith("k2: there is nothing to measure: name a file of targets by --targets or K2_TARGETS")


def test_a_process_that_does_not_run_ends_with_4() -> None:
    """Where it is the only one."""
    with listening(free_port()) as pid:
        pass
    done = ran("--pid", f"gold={pid}")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (4, f"gold does not run: there is no process {pid}")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_names_and_numbers_stand_whole(width: int) -> None:
    """Targets make room where the screen is narrow."""
    text = as_text(Console(width=width, file=StringIO()), TAKEN)
    *lines, _verdict = text.splitlines()
    assert max(map(len, lines)) <= width
    words = ("a-stranger-with-a-long-name", "0.12", "96", "0.71", "1,234", "no target", "over", "does not run")
    assert [word for word in words if word not in text] == []
    assert ("20,480" in text) is (width >= 80)


def test_each_problem_has_a_line_on_a_terminal_and_all_have_one_in_a_pipe() -> None:
    """A person reads them one by one, a program takes the last line."""
    screen = as_text(Console(width=200, file=StringIO(), force_terminal=True, color_system=None), TAKEN)
    assert screen.splitlines()[-2:] == TAKEN.problems
    piped = as_text(Console(width=200, file=StringIO()), TAKEN)
    assert piped.splitlines()[-1] == TAKEN.verdict


def test_what_is_not_known_is_null() -> None:
    """And never 0."""
    found = json.loads(as_json(TAKEN))["components"]
    assert (found["offload"]["cpu"], found["offload"]["memory_mb"]) == (None, None)
    assert found["a-stranger-with-a-long-name"]["target_cpu"] is None
    assert found["gold"]["over"] == ["0.71 of 0.5 CPUs", "530 of 512 MB"]


def test_it_is_measured_until_ctrl_c() -> None:
    """A line of JSON each time; it ends with 130."""
    words = ["resources", "--watch", "--json", *PIDS, "--pid", f"gold={os.getpid()}"]
    with sigint(ignored=False):
        running = subprocess.Popen([sys.executable, "-m", "k2", *words], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    lines = [json.loads(running.stdout.readline()) for _ in range(2)]
    running.send_signal(signal.SIGINT)
    running.communicate()
    assert [line["components"].keys() for line in lines] == [{"gold"}, {"gold"}]
    assert running.returncode == 130
