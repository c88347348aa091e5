"""Agents as child processes, for the demo and the tests: started, watched, ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from k2_shared.core.errors import Unavailable
from k2_support.ports import HOST, free_port

_PROBE_TIMEOUT_S = 2.0
_POLL_S = 0.1


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str, poll_s: float = _POLL_S) -> None:
    """Wait for a condition.

    Raises:
        Unavailable: it did not come true in time; says what was awaited.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} did not come within {timeout_s:.0f} s")
        time.sleep(poll_s)


class Process(Protocol):
    """A process that was started, as ``subprocess.Popen`` says of its own."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


Start = Callable[[str, Sequence[str], Mapping[str, str], Path], Process]
"""Starts a module with arguments and an environment, its output added to a file, in a session of its own."""


def spawned(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a module with ``python -m``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@dataclass
class Child:
    """One agent's process. ``module`` is run with ``python -m``; its output goes to ``log``."""

    module: str
    environment: Mapping[str, str]
    log: Path
    web_port: int
    arguments: tuple[str, ...] = ()
    starts: Start = spawned
    process: Process | None = field(default=None, init=False)

    @classmethod
    def agent(cls, module: str, environment: Mapping[str, str], folder: Path, starts: Start = spawned) -> Self:
        """An agent on a free web port, logging into ``folder``."""
        port = free_port()
        own = {"WEB_PORT": str(port), "WEB_HOST": HOST}
        return cls(module, {**environment, **own}, folder / f"{module}.log", port, starts=starts)

    def start(self) -> Self:
        """Start the process in a session of its own, so that a terminal's Ctrl-C does not reach it."""
        self.process = self.starts(self.module, self.arguments, {**os.environ, **self.environment}, self.log)
        return self

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self.process.pid if self.process else 0

    @property
    def exit_code(self) -> int | None:
        """How the process ended, or None while it runs."""
        return self.process.poll() if self.process else None

    def check(self) -> None:
        """Notice an early end.

        Raises:
            Unavailable: the process has ended; quotes the end of its log.
        """
        if self.exit_code is not None:
            raise Unavailable(f"{self.module} ended with exit code {self.exit_code}: {self.log_tail()}")

    def log_tail(self, lines: int = 3) -> str:
        """The last lines of the log."""
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def missing(self) -> list[str]:
        """What the agent says is missing until it is ready; empty when it is."""
        self.check()
        try:
            with urlopen(f"http://{HOST}:{self.web_port}/readyz", timeout=_PROBE_TIMEOUT_S):
                return []
        except HTTPError as error:
            return list(json.loads(error.read())["missing"])
        except (URLError, OSError) as error:
            return [str(error)]

    def wait_ready(self, timeout_s: float = 120.0) -> Self:
        """Wait until the agent says that it is ready.

        Raises:
            Unavailable: it ended, or did not become ready in time.
        """
        wait_until(lambda: not self.missing(), timeout_s, f"{self.module}'s readiness")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, timeout_s: float = 25.0) -> int:
        """Ask the agent to end and wait; one that does not is killed. Returns the exit code."""
        self.signal(signal.SIGTERM)
        return self._wait(timeout_s)

    def kill(self) -> int:
        """End the process at once, as a crash would."""
        self.signal(signal.SIGKILL)
        return self._wait(_PROBE_TIMEOUT_S)

    def _wait(self, timeout_s: float) -> int:
        if self.process is None:
            return 0
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
