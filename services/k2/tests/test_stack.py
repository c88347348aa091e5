"""``k2 stack`` as an operator uses it: exit codes, signals, and what goes where."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from k2.servers import left_running
from k2_local import Stack, StackSettings
from k2_local.monitoring import Monitoring
from k2_local.prometheus import PROGRAM, program
from k2_local.stack import KINDS
from k2_local.targets import Targets
from k2_shared.core.errors import ConfigError
from k2_support.pseudo_terminal import on_terminal
from k2_support.signals import sigint
from k2_support.waiting import wait_for

K2 = [sys.executable, "-c", "from k2.main import main; main()"]
DEADLINE_S = 90.0
NAMES = [kind.name for kind in KINDS["seaweed"]]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
PRINTS_ENVIRONMENT_AND_WAITS = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print(json.dumps(dict(os.environ)), flush=True)
signal.pause()
"""
CLIENTS_NEED = {
    "KAFKA_BOOTSTRAP_SERVERS",
    "SCHEMA_REGISTRY_URL",
    "ICEBERG_CATALOG_URI",
    "ICEBERG_WAREHOUSE",
    "ICEBERG_CREDENTIAL",
    "ICEBERG_OAUTH2_SERVER_URI",
    "S3_ENDPOINT",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "S3_REGION",
    "CLICKHOUSE_URL",
    "CLICKHOUSE_DATABASE",
    "CLICKHOUSE_USER",
    "CLICKHOUSE_PASSWORD",
    "CLICKHOUSE_READER_USER",
    "CLICKHOUSE_READER_PASSWORD",
}


def _k2(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*K2, *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def _started(*arguments: str) -> subprocess.Popen[str]:
    with sigint(ignored=False):
        return subprocess.Popen(
            [*K2, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def _states(state: str) -> set[str]:
    return {part.state for part in _stack(state).status()}


def _stack(state: str) -> Stack:
    return Stack(StackSettings.load(k2_state_dir=state))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[str]:
    """The folder of a new stack; whatever was started in it is stopped."""
    folder = str(tmp_path / "state")
    yield folder
    Monitoring(StackSettings.load(k2_state_dir=folder)).down()
    _stack(folder).down()


def test_version_goes_to_stdout() -> None:
    """``k2 --version`` names the program and its version."""
    answer = _k2("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("k2 ")


def test_exec_gives_the_environment_passes_signals_and_stops_what_it_started(state: str) -> None:
    """SIGTERM reaches the command, its exit code is ours, and afterwards the stack is down."""
    command = [sys.executable, "-c", PRINTS_ENVIRONMENT_AND_WAITS]
    with _started("stack", "exec", "--state", state, "--", *command) as running:
        try:
            assert running.stdout
            environment = json.loads(running.stdout.readline())
            shown = json.loads(_k2("stack", "env", "--state", state, "--json").stdout)
            told = Targets.read(Path(state)).settings
            exports = _k2("stack", "env", "--state", state).stdout.splitlines()
            status = _k2("stack", "status", "--state", state, "--json")
            logged = _k2("stack", "logs", "--state", state, "-n", "2")
            taken = _k2("resources", "--targets", state, "--seconds", "0.2", "--json")
            screens = {n: on_terminal([*K2, "stack", "status", "--state", state], n, os.environ) for n in (80, 200)}
            left = left_running(_stack(state))
        finally:
            running.send_signal(signal.SIGTERM)
        _, chatter = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 9
    assert chatter.count(" is down") == len(NAMES)
    assert set(shown) == CLIENTS_NEED
    assert told == shown
    assert shown.items() <= environment.items()
    assert [line.split("=")[0] for line in exports] == [f"export {name}" for name in shown]
    assert status.returncode == 0
    assert json.loads(status.stdout)["stack"] == "up"
    assert "registry | " in logged.stdout
    measured = json.loads(taken.stdout)["components"]
    assert {name: each["memory_mb"] > 1 for name, each in measured.items()} == dict.fromkeys(NAMES, True)
    for columns, screen in screens.items():
        assert screen.count("\x1b[32mup") == len(NAMES)
        lines = ESCAPES.sub("", screen).splitlines()
        assert max(map(len, lines)) <= columns
        assert [line.split()[0] for line in lines[1:4]] == ["kafka", "registry", "seaweed"]
    assert left == f"{', '.join(NAMES)} still run in {state}: 'k2 stack down --state {state}' stops them"
    assert _states(state) == {"down"}
    assert _k2("stack", "reset", "--state", state, "--yes").returncode == 0
    assert os.listdir(state) == ["lock"]  # noqa: PTH208  # names are all that is wanted


@pytest.mark.parametrize("is_read", [True, False])
def test_interrupt_of_a_start_leaves_nothing_running(state: str, is_read: bool) -> None:
    """Ctrl-C during up exits 130, with every part stopped, and says so; also where nobody reads it."""
    with _started("stack", "up", "--state", state) as starting:
        wait_for((Path(state) / "run" / "seaweed.json").exists, DEADLINE_S, "seaweed's start")
        starting.send_signal(signal.SIGINT)
        chatter = starting.communicate(timeout=DEADLINE_S)[1] if is_read else ""
    assert starting.returncode == 130
    assert not is_read or chatter.splitlines()[-1] == f"k2: interrupted: nothing runs in {state}"
    assert _states(state) == {"down"}


def test_a_prometheus_is_asked_for_before_a_server_is_started(state: str, tmp_path: Path) -> None:
    """Where there is none, ``--metrics`` says what to do, exits 2, and nothing is started or written."""
    answer = _k2("stack", "up", "--metrics", "--state", state, PATH=str(tmp_path), K2_CACHE_DIR=str(tmp_path / "cache"))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("k2: there is no prometheus on PATH or at ")
    assert "run 'make prometheus'" in answer.stderr
    assert not Path(state).exists()


@pytest.mark.long  # a stack more
def test_a_prometheus_beside_the_stack_is_shown_measured_and_stopped_with_it(state: str) -> None:
    """It is one more part; afterwards nobody misses it."""
    try:
        program(StackSettings.load().cache)
    except ConfigError as error:
        pytest.skip(str(error))
    started = _k2("stack", "up", "--metrics", "--state", state)
    assert started.returncode == 0
    assert re.search(r"^Prometheus is at http://127\.0\.0\.1:\d+$", started.stderr, re.MULTILINE)
    shown = json.loads(_k2("stack", "status", "--state", state, "--json").stdout)
    assert (shown["stack"], [part["part"] for part in shown["parts"]]) == ("up", [*NAMES, PROGRAM])
    taken = json.loads(_k2("resources", "--targets", state, "--seconds", "0.2", "--json").stdout)
    assert [name for name, each in taken["components"].items() if each["memory_mb"] > 1] == [*NAMES, PROGRAM]
    assert f"{PROGRAM} is down" in _k2("stack", "down", "--state", state).stderr
    shown = json.loads(_k2("stack", "status", "--state", state, "--json").stdout)
    assert (shown["stack"], [part["part"] for part in shown["parts"]]) == ("down", NAMES)


def test_status_and_logs_of_no_stack_name_the_folder(state: str) -> None:
    """Data goes to stdout; where it was looked and what to do to stderr."""
    answer = _k2("stack", "status", "--state", state)
    assert answer.returncode == 1
    assert answer.stdout.count("down") == len(NAMES)
    assert answer.stderr.startswith(f"no stack was ever started in {state}: 'k2 stack up' starts one, --state or ")
    answer = _k2("stack", "logs", "kafka", "--state", state)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr.startswith(f"there is no log of kafka in {state}/logs: 'k2 stack up' starts one, --state or ")


def test_env_of_no_stack_is_one_line_with_exit_code_4(state: str) -> None:
    """The line says how to start the stack, and nothing is created."""
    answer = _k2("stack", "env", "--state", state)
    assert (answer.returncode, answer.stdout) == (4, "")
    assert answer.stderr.startswith("k2: the stack is not up")
    assert f"'k2 stack up --state {state}' starts it" in answer.stderr
    assert not Path(state).exists()


def test_busy_port_set_by_hand_is_one_line_with_exit_code_2(state: str) -> None:
    """Nothing is started, and the line names the variable."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        answer = _k2("stack", "up", "--state", state, K2_KAFKA_PORT=port)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"k2: K2_KAFKA_PORT={port} ")
    assert answer.stderr.count("\n") == 1
    assert _states(state) == {"down"}


def test_reset_does_not_delete_without_being_asked(state: str) -> None:
    """Without a terminal and without --yes, reset is refused with exit code 2."""
    answer = _k2("stack", "reset", "--state", state)
    assert answer.returncode == 2
    assert "--yes" in answer.stderr


def test_logs_of_one_part_follow_its_file(state: str) -> None:
    """``-n`` lines come first, then every line that is added."""
    log = Path(state) / "logs" / "kafka.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    with _started("stack", "logs", "kafka", "--state", state, "-n", "2", "-f") as following:
        assert following.stdout
        try:
            assert [following.stdout.readline() for _ in range(2)] == ["two\n", "three\n"]
            with log.open("a") as growing:
                growing.write("four\n")
            assert following.stdout.readline() == "four\n"
        finally:
            following.send_signal(signal.SIGINT)
    assert following.returncode == 130


def test_unknown_part_is_one_line_with_exit_code_2(state: str) -> None:
    """The line lists the parts there are."""
    answer = _k2("stack", "logs", "zookeeper", "--state", state)
    assert answer.returncode == 2
    assert ", ".join(NAMES) in answer.stderr


def test_command_that_does_not_exist_is_one_line_with_exit_code_2(state: str) -> None:
    """The usage error goes to stderr."""
    answer = _k2("stack", "bogus")
    assert (answer.returncode, answer.stdout) == (2, "")
