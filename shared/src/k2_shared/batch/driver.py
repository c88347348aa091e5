"""A Spark driver: a child process that works, says in JSON lines what it does, and ends."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable

EVENT, FAILED, REASON = "event", "failed", "reason"
"""The keys of a line, and the event by which a driver tells why it ends."""
_KINDS: Mapping[int, type[K2Error]] = {kind.exit_code: kind for kind in (ConfigError, Halt, Unavailable)}
_LAST_WORDS = 20
INSTALL = "run 'make spark' in the repository, and set SPARK_PYTHON to its .venv-spark/bin/python"

Line = Mapping[str, Any]
"""What a driver says: ``event``, and what belongs to it."""


class Driver:
    """One run of a module of Spark's environment; ``run`` blocks, ``stop`` may come from any thread."""

    def __init__(self, settings: SparkSettings, module: str, arguments: Sequence[str] = ()) -> None:
        self._settings = settings
        self._command = [settings.spark_python or sys.executable, "-m", module, *arguments]
        self._stopped, self._why = threading.Event(), "was stopped"
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self, told: Callable[[Line], None], within_s: float | None = None) -> None:
        """Start it, hand each line to ``told``, and wait for its end; what does not end ``within_s`` is ended.

        The child ends with us, however we end: it watches its stdin, which nobody else has.

        Raises:
            ConfigError: there is no Spark, or the driver refused what it was given.
            K2Error: the driver failed, of the kind that it names; or it was stopped, or killed.
        """
        child = self._started()
        last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        listening = threading.Thread(target=last_words.extend, args=(child.stderr,), daemon=True)
        listening.start()
        threading.Thread(target=_end_group, args=(child.pid,), daemon=True).start()
        try:
            with self._limited(within_s):
                failed = _listen(child.stdout, told)
        finally:
            self._end(child)
        listening.join(self._settings.spark_stop_s)
        if child.returncode or self._stopped.is_set():
            raise self._error(child.returncode, failed, last_words)

    def stop(self) -> None:
        """End it; ``run`` raises then. One that has not started does not."""
        with self._lock:
            self._stopped.set()
            child = self._child
        if child is not None:
            self._end(child)

    @contextmanager
    def _limited(self, within_s: float | None) -> Iterator[None]:
        def end() -> None:
            self._why = f"did not end in {within_s:g} s and was stopped"
            self.stop()

        timer = threading.Timer(within_s or 0, end)
        if within_s is not None:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _started(self) -> "subprocess.Popen[str]":
        if not self._settings.spark_python and importlib.util.find_spec("pyspark") is None:
            raise ConfigError(f"Spark is not in this environment: {INSTALL}")
        with self._lock:
            if self._stopped.is_set():
                raise Unavailable("the Spark driver was told to stop before it began")
            try:
                self._child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,  # a terminal's Ctrl-C is ours, and we end it
                )
            except OSError as error:
                given = f"SPARK_PYTHON={self._command[0]} cannot be run ({error.strerror})"
                raise ConfigError(f"{given}: {INSTALL}") from None
            return self._child

    def _end(self, child: "subprocess.Popen[str]") -> None:
        """Let it end, or kill it."""
        if child.stdin:
            with suppress(OSError):  # it has ended already
                child.stdin.close()
        try:
            child.wait(self._settings.spark_stop_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _error(self, code: int, failed: str, last_words: Sequence[str]) -> K2Error:
        if self._stopped.is_set():
            return Unavailable(f"the Spark driver {self._why}")
        kind = _KINDS.get(code, K2Error)
        if failed:
            return kind(failed)
        said = " | ".join(line.strip() for line in last_words if line.strip())
        return K2Error(f"the Spark driver ended with exit code {code}: {said or 'it said nothing'}")


def _end_group(leader: int) -> None:
    """Kill what a child leaves behind, once it has ended: a Java that was about to start would hold its stdout open."""
    with suppress(ChildProcessError):  # who waits for it was faster
        os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT)
    with suppress(ProcessLookupError):  # it left nothing
        os.killpg(leader, signal.SIGKILL)


def _listen(lines: IO[str] | None, told: Callable[[Line], None]) -> str:
    """Hand on what it says until its end; returns why it failed, or nothing."""
    failed = ""
    for text in lines or ():
        line = _parsed(text)
        if line.get(EVENT) == FAILED:
            failed = str(line.get(REASON, ""))
        elif line:
            told(line)
    return failed


def _parsed(text: str) -> Line:
    """A line as it is meant; what is no JSON object is somebody else's print, and no line."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
