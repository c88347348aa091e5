"""How a first run is measured: every silence has the line before it."""

import sys
from pathlib import Path

import pytest
from tests.first_run.run import measured
from tests.first_run.silence import GOAL_S, FirstRun, Silence, TimedLine

LINES = [TimedLine(0.5, "setting up"), TimedLine(2.0, "installing"), TimedLine(9.0, "done")]


def test_the_longest_silence_comes_first_with_the_line_before_it() -> None:
    """Those before the first line and after the last one count, too."""
    assert FirstRun(LINES, 9.25, 0).silences == [
        Silence(7.0, "installing"),
        Silence(1.5, "setting up"),
        Silence(0.5, "(the start)"),
        Silence(0.25, "done"),
    ]


@pytest.mark.parametrize(
    ("seconds", "code", "good"), [(9.0 + GOAL_S, 0, True), (9.1 + GOAL_S, 0, False), (9.25, 1, False)]
)
def test_a_run_is_good_that_ends_well_and_keeps_to_the_goal(seconds: float, code: int, *, good: bool) -> None:
    """The numbers say so beside the goal."""
    run = FirstRun(LINES, seconds, code)
    assert (run.is_good, run.numbers()["good"], run.numbers()["goal_s"]) == (good, good, GOAL_S)


def test_a_command_that_says_nothing_was_silent_from_start_to_end() -> None:
    """And its first line never came."""
    assert FirstRun([], 3.0, 0).silences == [Silence(3.0, "(the start)")]
    assert FirstRun([], 3.0, 0).numbers()["first_line_s"] == 3.0


def test_lines_of_stdout_and_stderr_are_noted_in_the_order_in_which_they_come(tmp_path: Path) -> None:
    """With the exit code of the command."""
    command = f"{sys.executable} -c 'import sys; print(1, file=sys.stderr)'; echo 2; exit 3"
    run = measured(command, tmp_path, {"PATH": "/usr/bin:/bin"})
    assert ([line.text for line in run.lines], run.exit_code) == (["1", "2"], 3)
    assert 0 < run.lines[0].at_s <= run.lines[1].at_s <= run.seconds
