"""The root command: how misuse is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from k2.main import COMMANDS, app, loaded
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.warm.migrations import migrations
from k2_support.forks import Asked, Done, answers

MISUSED = {
    "--nonsense": "No such option: --nonsense: 'k2 --help' says what there is",
    "stack nonsense": "No such command 'nonsense': 'k2 stack --help' says what there is",
    "demo --duplicates 7": "Invalid value for '--duplicates': ",
    "dlq show": "Missing argument 'PARTITION:OFFSET': 'k2 dlq show --help' says what there is",
    "demo --stop nowhere": "--stop nowhere: there is no demo",
}


@pytest.fixture(scope="module")
def said() -> dict[str, Done]:
    """What is said to each of them."""
    found = answers([Asked("k2", tuple(words.split())) for words in MISUSED], os.environ, shared=["k2.main"])
    return dict(zip(MISUSED, found, strict=True))


@pytest.mark.parametrize("words", MISUSED)
def test_what_cannot_be_asked_is_one_line_and_exit_2(said: dict[str, Done], words: str) -> None:
    """Of every command, and whoever finds it: the parser or the command."""
    done = said[words]
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"k2: {MISUSED[words]}")


def test_init_refuses_a_misspelt_variable_of_any_service() -> None:
    """Before it reaches for a server; all of them, in one line."""
    done = k2("init", FEED_SOKETS="4", SINK_MAX_ROW="7", KAFKA_HEAP_OPTS="-Xmx1g")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "k2: FEED_SOKETS is read by nothing: FEED_SOCKETS may be meant: rename it, or remove it; "
        "SINK_MAX_ROW is read by nothing: SINK_MAX_ROWS may be meant: rename it, or remove it\n"
    )


def test_a_command_refuses_a_misspelt_variable_of_its_own(tmp_path: Path) -> None:
    """Else another stack than was meant would be asked, or stopped."""
    done = k2(f"stack status --state {tmp_path}", K2_STATE_DIRS=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("k2: K2_STATE_DIRS is read by nothing: K2_STATE_DIR may be meant")


def test_a_command_tells_of_a_variable_that_may_be_misspelt(tmp_path: Path) -> None:
    """On stderr, and goes on."""
    done = k2(f"stack status --state {tmp_path}", SINK_INTERVAL_SECONDS="4")
    assert "SINK_INTERVAL_S" in done.stderr.splitlines()[0]
    assert "no stack was ever started" in done.stderr


@pytest.mark.parametrize("words", ["", "stack"])
def test_without_a_command_there_is_help(words: str) -> None:
    """It is no error of which a line could be said."""
    done = k2(words)
    assert "Commands" in done.stdout + done.stderr
    assert "k2: " not in done.stderr


@pytest.mark.parametrize("name", ["", *sorted(COMMANDS)])
def test_completion_is_set_up_by_the_root_command_alone(name: str) -> None:
    """It completes every command below it."""
    shown = CliRunner().invoke(app, f"{name} --help".split()).stdout
    assert ("--install-completion" in shown) is (not name)
    assert "Usage: " in shown


HEAVY = {
    "aiohttp",
    "aiokafka",
    "clickhouse_connect",
    "duckdb",
    "faust",
    "numpy",
    "psutil",
    "pyarrow",
    "pyiceberg",
    "requests",
    "rich",
}
SAYS_WHAT_THERE_IS = """
import contextlib, os, sys
from k2.main import main
for words, completed in (sys.argv[1:2], ""), (["--help"], ""), ([], sys.argv[2]):
    sys.argv = ["k2", *" ".join(words).split()]
    if completed:
        cursor = str(completed.count(" "))
        os.environ |= {"_K2_COMPLETE": "complete_bash", "COMP_WORDS": completed, "COMP_CWORD": cursor}
    with contextlib.suppress(SystemExit):
        main()
    print("\\f")
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("name", ["", *COMMANDS, "dlq replay"])
def test_nothing_heavy_is_imported_to_say_what_there_is(name: str) -> None:
    """A person waits for the version, for help and for a TAB: the libraries are for the work."""
    said_by = [f"{name} --help", f"k2 {name} -"] if name else ["--version", "k2 d"]
    done = subprocess.run(
        [sys.executable, "-c", SAYS_WHAT_THERE_IS, *said_by],
        env={**os.environ, "TERM": "dumb", "TYPER_USE_RICH": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    first, everything, completions = done.stdout.split("\f\n")[:3]
    assert first.startswith("k2 " if not name else "Usage: k2")
    assert "probe-broker" in everything
    assert "--help" in completions if name else completions.split() == ["demo", "dlq"]
    assert HEAVY & {module.partition(".")[0] for module in done.stderr.split()} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    """The list is written beside where they are imported from; each begins its own help with the same words."""
    own = " ".join((loaded(name).help or "").split())
    assert own.startswith(COMMANDS[name][1].rstrip("."))


def k2(words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from k2.main import main; main()", *words.split()]
    given = {**os.environ, **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)


def test_init_repeats_harmlessly_and_says_what_stands(run_settings: RunSettings, names: Names) -> None:
    """The second time everything is there, and nothing of it is touched; cold tables are among it."""
    said = [k2("init", K2_PREFIX=run_settings.k2_prefix) for _ in range(2)]
    assert [(done.returncode, done.stdout) for done in said] == [(0, ""), (0, "")], said
    assert said[0].stderr.splitlines()[-1] == said[1].stderr.splitlines()[-1]
    assert f"5 tables of the lake, 9 cold tables and {len(migrations())} migrations of the warm tier " in said[1].stderr
    assert f"stand under {run_settings.k2_prefix}" in said[1].stderr
    catalog = iceberg.connect(LakeSettings.load())
    assert [each.name for each in contracts.iceberg_tables() if not iceberg.find(catalog, names, each)] == []
