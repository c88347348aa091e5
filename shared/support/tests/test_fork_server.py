"""A forked process is to its owner what one of a new interpreter is."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from k2_support.children import Start, spawned
from k2_support.fork_server import forked
from k2_support.waiting import wait_for

_ONCE = ("-n", "1", "-r", "1")
_SLEEPS = (*_ONCE, "import time; time.sleep(300)")

pytestmark = pytest.mark.parametrize("starts", [spawned, forked])


def test_its_output_goes_to_the_file_and_its_environment_is_as_given(starts: Start, tmp_path: Path) -> None:
    """What stood in the file stays; nothing of this process's environment is there but what was given."""
    log = tmp_path / "log"
    log.write_text("before\n")
    says = "import os, sys; print(sorted(os.environ), sys.argv[0] != '', os.getsid(0) == os.getpid())"
    process = starts("timeit", (*_ONCE, says), {"LC_CTYPE": "C.UTF-8"}, log)
    assert process.wait(60) == 0
    assert log.read_text().splitlines()[:2] == ["before", "['LC_CTYPE'] True True"]


def test_it_ends_with_the_code_of_the_module(starts: Start, tmp_path: Path) -> None:
    """What it says on stderr is in the file too."""
    log = tmp_path / "log"
    assert starts("json.tool", ["--nonsense"], os.environ, log).wait(60) == 2
    assert "--nonsense" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_ends_it_is_its_code(starts: Start, tmp_path: Path, number: signal.Signals) -> None:
    """A signal after its end is of no effect."""
    process = starts("timeit", _SLEEPS, os.environ, tmp_path / "log")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(60) == process.poll() == -number
    process.send_signal(number)


def test_it_is_killed(starts: Start, tmp_path: Path) -> None:
    """Its own process alone, by its id."""
    process = starts("timeit", _SLEEPS, os.environ, tmp_path / "log")
    process.kill()
    wait_for(lambda: process.poll() == -signal.SIGKILL, 60, "the end")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
