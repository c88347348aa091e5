"""Failpoints, in a process of their own: they end it."""

import signal
import subprocess
import sys

import psutil
import pytest

from k2_shared.stages.failpoints import Failpoint
from k2_support.waiting import wait_for

_PASS = """
from k2_shared.stages.failpoints import Failpoints, Failpoint
points = Failpoints({given!r})
for n in range(3):
    points.reach(Failpoint.AFTER_SEND)
    print(n, flush=True)
"""


def start(given: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", _PASS.format(given=given)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("given", "passed"), [("after_send", 0), ("after_send:kill:3", 2)])
def test_a_process_is_killed_at_the_chosen_passing(given: str, passed: int) -> None:
    """It says so before, so that a test can see that it was this."""
    process = start(given)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    lines = out.splitlines()
    assert lines[:passed] == [str(n) for n in range(passed)]
    assert "failpoint" in lines[passed]
    assert len(lines) == passed + 1


@pytest.mark.parametrize("given", ["", "before_commit"])
def test_other_places_are_passed(given: str) -> None:
    """Nothing happens where no failpoint is."""
    process = start(given)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out.split()) == (0, ["0", "1", "2"])


def test_a_stopped_process_goes_on_when_told() -> None:
    """It stands still until somebody continues it."""
    process = start("after_send:stop:2")
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, 60, "the stop")
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.splitlines()[-2:] == ["1", "2"]


def test_every_window_has_its_place() -> None:
    """The windows of a transaction in which a process may die."""
    assert [failpoint.value for failpoint in Failpoint] == [
        "before_send",
        "after_send",
        "before_commit",
        "after_commit",
        "during_checkpoint",
        "during_recovery",
    ]
