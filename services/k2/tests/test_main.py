"""The root command: how misuse is told."""

import os
import subprocess
import sys

import pytest

from k2.main import COMMANDS, loaded
from k2_shared.core.settings import RunSettings


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--nonsense", "No such option: --nonsense: 'k2 --help' says what there is"),
        ("stack nonsense", "No such command 'nonsense': 'k2 stack --help' says what there is"),
        ("demo --duplicates 7", "Invalid value for '--duplicates': "),
        ("dlq show", "Missing argument 'PARTITION:OFFSET': 'k2 dlq show --help' says what there is"),
        ("demo --stop nowhere", "--stop nowhere: there is no demo"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(words: str, said: str) -> None:
    """Of every command, and whoever finds it: the parser or the command."""
    done = k2(words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"k2: {said}")


@pytest.mark.parametrize("words", ["", "stack"])
def test_without_a_command_there_is_help(words: str) -> None:
    """It is no error of which a line could be said."""
    done = k2(words)
    assert "Commands" in done.stdout + done.stderr
    assert "k2: " not in done.stderr


HEAVY = {
    "aiohttp",
    "aiokafka",
    "duckdb",
    "faust",
    "numpy",
    "psutil",
    "pyarrow",
    "pyiceberg",
    "requests",
    "rich",
}
IMPORTED = """
import contextlib, sys
from k2.main import main
with contextlib.suppress(SystemExit):
    main()
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "given",
    [
        {"words": "--version"},
        {"words": "", "_K2_COMPLETE": "complete_bash", "COMP_WORDS": "k2 d", "COMP_CWORD": "1"},
        {"words": "tail --help", "TERM": "dumb", "TYPER_USE_RICH": "0"},
        {"words": "dlq --help", "TERM": "dumb", "TYPER_USE_RICH": "0"},
        {"words": "dlq replay --help", "TERM": "dumb", "TYPER_USE_RICH": "0"},
    ],
)
def test_nothing_heavy_is_imported_to_say_what_there_is(given: dict[str, str]) -> None:
    """A person waits for the version, for a TAB and for help: the libraries are for the work."""
    words = given.pop("words").split()
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout
    assert HEAVY & {name.partition(".")[0] for name in done.stderr.split()} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    """The list is written beside where they are imported from; each begins its own help with the same words."""
    own = " ".join((loaded(name).help or "").split())
    assert own.startswith(COMMANDS[name][1].rstrip("."))


def k2(words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from k2.main import main; main()", *words.split()]
    given = {**os.environ, **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)


def test_init_repeats_harmlessly_and_says_what_stands(run_settings: RunSettings) -> None:
    """The second time everything is there, and nothing of it is touched."""
    said = [k2("init", K2_PREFIX=run_settings.k2_prefix) for _ in range(2)]
    assert [(done.returncode, done.stdout) for done in said] == [(0, ""), (0, "")], said
    assert said[0].stderr.splitlines()[-1] == said[1].stderr.splitlines()[-1]
    assert f"tables stand under {run_settings.k2_prefix}" in said[1].stderr
