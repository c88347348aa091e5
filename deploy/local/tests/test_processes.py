"""Only what was started here is ended, and it always ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from k2_local import Stack, StackSettings
from k2_local.disk import write_json
from k2_local.idle_timeout import Activity, IdleTimeout
from k2_local.logs import tail
from k2_local.processes import Process, completed, spawn
from k2_local.stack_state import StackState
from k2_support.waiting import wait_for

IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
)
BUSY = """
import signal, sys, time
def end(*_):
    until = time.monotonic() + {seconds}
    while time.monotonic() < until: pass
    print("done", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""
WRITING = """
import os, signal, tempfile
file = tempfile.TemporaryFile(dir=".")
file.write(os.urandom(2_000_000)); file.flush(); os.fsync(file.fileno())
print("written", flush=True)
signal.pause()
"""
AT_ONCE, LENIENT = IdleTimeout(0, 0), IdleTimeout(30, 30)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no stack started."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as child:
        yield child
        child.kill()


def _started(child: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(child.pid).create_time())


def test_reused_pid_is_not_ours(stranger: subprocess.Popen[bytes]) -> None:
    """A process with our pid but another start time neither runs for us, nor is it ended."""
    ours = Process(stranger.pid, _started(stranger) - 100)
    assert not ours.running
    assert ours.stop(AT_ONCE) is None
    assert stranger.poll() is None


def test_down_leaves_a_reused_pid_alone(settings: StackSettings, stranger: subprocess.Popen[bytes]) -> None:
    """A stack whose record points at a stranger's pid is down afterwards, and the stranger runs."""
    write_json(settings.state / "run" / "kafka.json", {"pid": stranger.pid, "started": _started(stranger) - 100})
    Stack(settings).down()
    assert stranger.poll() is None
    assert StackState(settings.state).process("kafka") is None


def test_a_process_that_ignores_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    """SIGKILL follows when SIGTERM is ignored, and the caller learns of it."""
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", IGNORES_SIGTERM], {}, log)
    wait_for(lambda: tail(log, 1) == ["ready"], 60, "the child's first word")
    assert process.stop(IdleTimeout(idle_s=0.1, limit_s=60)) == "and showed no sign of work for 0 s"
    assert not process.running


def test_process_that_works_is_given_the_time_it_takes(tmp_path: Path) -> None:
    """It ends by itself long after a process that does nothing would have been killed."""
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", BUSY.format(seconds=6)], {}, log)
    wait_for(lambda: tail(log, 1) == ["ready"], 60, "the child's first word")
    assert process.stop(IdleTimeout(idle_s=4, limit_s=120)) is None
    assert tail(log, 1) == ["done"]


def test_process_that_works_for_ever_is_killed_at_the_limit(tmp_path: Path) -> None:
    """The caller learns which setting that was."""
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", BUSY.format(seconds=600)], {}, log)
    wait_for(lambda: tail(log, 1) == ["ready"], 60, "the child's first word")
    assert process.stop(IdleTimeout(idle_s=60, limit_s=0.3)) == "within K2_WORK_TIMEOUT_S=0.3"
    assert not process.running


def test_work_is_measured(tmp_path: Path) -> None:
    """CPU and bytes of a process that has both; none of one that has ended."""
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", WRITING], {}, log)
    wait_for(lambda: tail(log, 1) == ["written"], 60, "the child's word")
    assert process.activity().cpu_s > 0
    if hasattr(psutil.Process, "io_counters"):
        assert process.activity().written >= 1_000_000
    assert process.stop(LENIENT) is None
    assert process.activity() == Activity()


def test_program_is_run_to_its_end() -> None:
    """Its code and what it said; one that does nothing is killed."""
    told = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    code, said = completed([sys.executable, "-c", told], IdleTimeout(60, 60))
    assert (code, sorted(said.split())) == (3, ["err", "out"])
    with pytest.raises(TimeoutError, match="no sign of work"):
        completed([sys.executable, "-c", "import signal; signal.pause()"], IdleTimeout(0.5, 60))


def test_process_outlives_the_terminal(tmp_path: Path) -> None:
    """It has a session of its own, so that Ctrl-C is not sent to it."""
    process = spawn([sys.executable, "-c", "import signal; signal.pause()"], {}, tmp_path / "log")
    assert os.getsid(process.pid) == process.pid
    assert process.stop(LENIENT) is None


def test_ended_child_does_not_run(tmp_path: Path) -> None:
    """A zombie is not alive."""
    process = spawn([sys.executable, "-c", ""], {}, tmp_path / "log")
    wait_for(lambda: not process.running, 60, "the child's end")
    assert process.resident_mb == 0


def test_child_that_its_parent_does_not_collect_has_ended() -> None:
    """Stopping does not wait for a zombie."""
    parent = "import subprocess, signal; print(subprocess.Popen(['sleep', '99']).pid, flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as careless:
        assert careless.stdout
        pid = int(careless.stdout.readline())
        process = Process(pid, float(psutil.Process(pid).create_time()))
        wait_for(lambda: psutil.Process(pid).name() == "sleep", 60, "the grandchild")
        assert process.stop(LENIENT) is None
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        careless.kill()


def test_large_log_is_set_aside_at_the_start(tmp_path: Path) -> None:
    """A log does not grow from run to run without bound."""
    log = tmp_path / "part.log"
    log.write_bytes(b"x" * 9_000_000)
    process = spawn([sys.executable, "-c", "print('new')"], {}, log)
    wait_for(lambda: not process.running, 60, "the child's end")
    assert log.read_text() == "new\n"
    assert log.with_suffix(".old").stat().st_size == 9_000_000
