"""What every service answers without a broker: what it is, what it can be told, how it would be set."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest
from tests.contract.settings.classes import AGENTS

from k2_shared.core import contracts
from k2_shared.core.exits import EXIT_CODES, PIPE_CLOSED
from k2_support.forks import Asked, Done, answers

HEAVY = {"aiohttp", "faust", "numpy", "pyarrow", "pyiceberg", "psutil"}
COLUMNS = 80
TIMEOUT_S = 120.0
IMPORTED = """
import contextlib, runpy, sys
with contextlib.suppress(SystemExit):
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
print(*sys.modules, file=sys.stderr)
"""


Said = dict[tuple[str, str], Done]
"""By service and flags."""

WRONG = {"WEB_PORT": "wrong", "SIM_PORT": "wrong"}


def host(service: str) -> str:
    """The variable of the address that a service listens on."""
    return "SIM_HOST" if service == "exchange_sim" else "WEB_HOST"


@pytest.fixture(scope="module")
def said() -> Said:
    """What every service says to each of its flags, in an environment without a broker."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "SCHEMA_"))}
    asked = [
        Asked(service, tuple(flags.split()), environment)
        for service in AGENTS
        for flags, environment in {
            "--help": WRONG,
            "--print-config --json": {host(service): "127.0.0.9"},
            "--print-config": {},
            "--version": {},
            "--verbose": {},
        }.items()
    ]
    found = answers(asked, {**plain, "SIM_PORT": "0"}, shared=["k2_shared.core.program"])
    return {(each.module, " ".join(each.flags)): done for each, done in zip(asked, found, strict=True)}


@pytest.mark.parametrize("service", AGENTS)
def test_help_says_all_there_is_to_know_before_a_start(said: Said, service: str) -> None:
    """Its topics, each setting with its limits and default, its pages and exit codes, in 80 columns."""
    done = said[service, "--help"]
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= COLUMNS
    words = " ".join(done.stdout.split())
    for field in json.loads(said[service, "--print-config --json"].stdout):
        assert field["variable"] in words
        assert field["description"] in words
        limits = f"{field['kind']}: {field['allowed']}" if field["allowed"] else field["kind"]
        assert f" {limits}; " in words or field["allowed"].startswith("matches ")  # a form may be longer than a line
    topics = [topic for topic in contracts.topics().values() if service in (*topic.producers, *topic.consumers)]
    assert [topic.name for topic in topics if topic.name not in words] == []
    assert [text for text in EXIT_CODES.values() if text.removesuffix(".") not in words] == []
    assert "/healthz" in words


@pytest.mark.parametrize("service", AGENTS)
def test_help_imports_nothing_that_is_for_the_work(service: str) -> None:
    """Who asks does not wait for it."""
    command = [sys.executable, "-c", IMPORTED, service, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert HEAVY & {name.partition(".")[0] for name in done.stderr.split()} == set()


@pytest.mark.parametrize("service", AGENTS)
def test_print_config_tells_each_value_and_its_source(said: Said, service: str) -> None:
    """For people as lines with a comment each, for programs as JSON."""
    variable = host(service)
    (found,) = (
        each for each in json.loads(said[service, "--print-config --json"].stdout) if each["variable"] == variable
    )
    assert (found["value"], found["source"]) == ("127.0.0.9", "environment")
    lines = said[service, "--print-config"].stdout.splitlines()
    assert f"{variable}={found['default']}" in lines
    assert [line for line in lines[::2] if not line.startswith("# ")] == []
    assert lines[1::2] == sorted(lines[1::2])


@pytest.mark.parametrize("service", AGENTS)
def test_a_service_says_its_version(said: Said, service: str) -> None:
    """That of its package, whose console script is the same program."""
    script = f"k2-{service.replace('_', '-')}"
    assert said[service, "--version"].stdout == f"{service} {version(script)}\n"
    (entry,) = entry_points(group="console_scripts", name=script)
    assert entry.value == f"{service}.__main__:main"


@pytest.mark.parametrize("service", AGENTS)
def test_an_unknown_flag_is_one_line_and_exit_2(said: Said, service: str) -> None:
    """With what there is."""
    done = said[service, "--verbose"]
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"{service}: ")
    assert "--help" in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--print-config"])
def test_nobody_reading_on_is_no_error(flag: str) -> None:
    """As in ``| head``: nothing is complained of."""
    read, write = os.pipe()
    os.close(read)
    try:
        command = [sys.executable, "-m", "silver", flag]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (PIPE_CLOSED, b"")
