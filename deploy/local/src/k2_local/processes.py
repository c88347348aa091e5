"""Child processes that outlive their parent, and are told apart from strangers by pid and start time."""

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

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

    def stop(self, grace_s: float) -> bool:
        """End it: SIGTERM, and SIGKILL after ``grace_s`` seconds. Returns whether it ended by itself in time.

        Blocks until it is gone. A process that is not ours is left alone.
        """
        found = self._find()
        if found is None:
            return True
        with suppress(psutil.NoSuchProcess):
            found.terminate()
            if not self._ends_within(grace_s):
                found.kill()
                self._ends_within(_KILL_S)
                return False
        return True

    def _ends_within(self, limit_s: float) -> bool:
        """Not psutil's wait: a zombie that its parent does not collect has ended too."""
        deadline = time.monotonic() + limit_s
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _find(self) -> psutil.Process | None:
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < _SAME_START_S
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


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
    return Process(child.pid, psutil.Process(child.pid).create_time())
