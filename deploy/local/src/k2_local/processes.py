"""Child processes that outlive their parent, and are told apart from strangers by pid and start time."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from k2_local.idle_timeout import Activity, IdleTimeout, IdleWatch

MB = 1_000_000
_SAME_START_S = 1.0  # clocks are corrected now and then; a pid is not reused within this
_POLL_S = 0.05
_KILL_S = 10.0  # SIGKILL is not refused, but the kernel takes its time with a large process
_LARGE_LOG = 8 * 1_048_576  # bytes


@dataclass(frozen=True)
class Process:
    """A process that was started by a stack, whether it still runs or not."""

    pid: int
    started: float  # Unix seconds, as the operating system has it

    @property
    def running(self) -> bool:
        """Whether this very process runs; a stranger with its pid does not count, nor does a zombie."""
        return self._find() is not None

    @property
    def resident_mb(self) -> int:
        """Its resident memory in MB; 0 if it does not run."""
        found = self._find()
        with suppress(psutil.NoSuchProcess):
            return found.memory_info().rss // MB if found else 0
        return 0

    def listens(self, port: int) -> bool:
        """Whether this process, and no other, listens on the port."""
        found = self._find()
        with suppress(psutil.NoSuchProcess):
            connections = found.net_connections("tcp") if found else []
            return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
        return False

    def activity(self) -> Activity:
        """Its activity since its start; none if it does not run."""
        found = self._find()
        with suppress(psutil.NoSuchProcess):
            return _activity(found) if found else Activity()
        return Activity()

    def stop(self, timeout: IdleTimeout, by: signal.Signals = signal.SIGTERM) -> str | None:
        """End it: a signal, and SIGKILL when the timeout expires. Returns why it was killed, None if it ended in order.

        Blocks until it is gone. A process that is not ours is left alone.
        """
        found = self._find()
        if found is None:
            return None
        with suppress(psutil.NoSuchProcess):
            watch = timeout.watch(self)
            found.send_signal(by)
            if reason := self._not_ended(watch):
                found.kill()
                self._not_ended(IdleTimeout(_KILL_S, _KILL_S).watch(self))
                return reason
        return None

    def _not_ended(self, watch: IdleWatch) -> str | None:
        """Wait for its end, or say why no longer. Not psutil's wait: a zombie that nobody collects has ended too."""
        while self.running:
            if reason := watch.expired():
                return reason
            time.sleep(_POLL_S)
        return None

    def _find(self) -> psutil.Process | None:
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < _SAME_START_S
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def listener(port: int) -> int | None:
    """The process that listens on a port, where it is on this machine and ours to see."""
    try:
        listeners = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.AccessDenied:
        return None
    return next((each.pid for each in listeners if each.laddr.port == port), None)


def _activity(process: psutil.Process) -> Activity:
    with process.oneshot():
        times = process.cpu_times()
        written = process.io_counters().write_bytes if hasattr(process, "io_counters") else 0
    return Activity(times.user + times.system, _waited_s(process.pid), written)


def _waited_s(pid: int) -> float:
    """For how long its threads have waited for the CPU: on a busy machine that is most of what a process does."""
    waited_ns = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread has ended
            waited_ns += int(path.read_text().split()[1])
    return waited_ns / 1e9


def completed(argv: list[str], timeout: IdleTimeout) -> tuple[int, str]:
    """Run a program to its end; returns its exit code and what it printed, which must be little.

    Raises:
        TimeoutError: the timeout expired and it was killed; says why.
    """
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        watch = timeout.watch(_process(child.pid))
        while True:
            try:
                output, _ = child.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if reason := watch.expired():
                    child.kill()
                    raise TimeoutError(reason) from None
            else:
                return child.returncode, output


def _process(pid: int) -> Process:
    return Process(pid, psutil.Process(pid).create_time())


def spawn(argv: list[str], environ: Mapping[str, str], log: Path) -> Process:
    """Start a process in a session of its own, so that a terminal's Ctrl-C does not reach it.

    Its output is appended to ``log``; a log that has grown large is set aside first. Raises OSError.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LARGE_LOG:
        log.replace(log.with_suffix(".old"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _process(child.pid)
