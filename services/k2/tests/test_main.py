"""The root command: how misuse is told."""

import os
import subprocess
import sys

import pytest

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
