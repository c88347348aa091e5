"""Agents as forks of one process that has imported what they all import, which is most of what a start costs."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from k2_shared.core import contracts

AGENTS = ("silver", "gold", "iceberg_sink", "lag_exporter", "maintenance", "offload", "warm_sink")
_SERVER = multiprocessing.get_context("forkserver")
# A test environment of one service has that service's modules alone; the server passes over what is not there.
_FEEDS = [venue.service for venue in contracts.venues().values()]
_SERVER.set_forkserver_preload([f"{module}.main" for module in (*AGENTS, *_FEEDS)])


class Forked:
    """A process of the fork server's, as ``subprocess.Popen`` says of its own."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        """How it ended, the negative number of a signal included; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def forked(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Start a module as ``python -m`` does, in a session of its own; its output is added to a file."""
    process = _SERVER.Process(target=_run, args=(module, list(arguments), dict(environment), log), name=module)
    process.start()
    return Forked(process)


def _run(module: str, arguments: list[str], environment: dict[str, str], log: Path) -> None:
    os.setsid()
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        for file, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
