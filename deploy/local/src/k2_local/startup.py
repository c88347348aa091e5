"""Starting several parts at once: all of them work in the end, or none that was started here is left."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from shutil import rmtree

from k2_local.artifacts import Downloads
from k2_local.disk import require_space
from k2_local.logs import tail
from k2_local.parts import NotReadyError, Part
from k2_local.ports import PortClaims
from k2_local.processes import Process, spawn
from k2_local.stack_state import StackState
from k2_shared.core.errors import K2Error, Unavailable

_POLL_S = 0.1
_TAIL = 15  # lines of a part's log in the message of its failure


class _AbandonedError(K2Error):
    """Another part failed, so this one's start is not pursued."""


class Startup:
    """One attempt to bring parts up."""

    def __init__(self, state: StackState, claims: PortClaims, report: Callable[[str], None]) -> None:
        self._state, self._claims, self._report = state, claims, report
        self._abandoned = threading.Event()

    def run(self, parts: Sequence[Part], downloads: Downloads) -> None:
        """Start what does not run and wait until all of ``parts`` are ready; blocks while they work, up to the limit.

        What was started is in the state folder, also after an error.

        Raises:
            ConfigError: the disk became full.
            Unavailable: a part ended early or was not ready in time; names it and shows its log's end.
        """
        self._works = {part.name: threading.Event() for part in parts}
        with ThreadPoolExecutor(len(parts)) as pool:
            futures = [pool.submit(self._bring_up, part, downloads) for part in parts]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._abandoned.set()
        for future in done:
            future.result()

    def _bring_up(self, part: Part, downloads: Downloads) -> None:
        self._await_needed(part)
        began = time.monotonic()
        process = self._state.process(part.name)
        if process is None or not process.running:
            self._clear(part)
            if recovery := part.recovery(self._claims):
                self._run_recovery(recovery, downloads)
            process = self._spawn(part, downloads)
        self._await(part, process)
        self._state.established(part.name)
        self._works[part.name].set()
        self._report(f"{part.name} is up on port {part.port} ({time.monotonic() - began:.1f} s)")

    def _await_needed(self, part: Part) -> None:
        for name in part.needs:
            while not self._works[name].wait(_POLL_S):
                self._check_pursued(part)

    def _check_pursued(self, part: Part) -> None:
        if self._abandoned.is_set():
            raise _AbandonedError(part.name)

    def _run_recovery(self, part: Part, downloads: Downloads) -> None:
        self._report(f"{part.name} did not end in order: it starts and stops once before anybody may reach it")
        process = self._spawn(part, downloads)
        self._await(part, process)
        if reason := process.stop(part.site.settings.stopping, part.ended_by):
            raise Unavailable(f"{part.name} did not stop after its recovery {reason}: start it again")

    def _spawn(self, part: Part, downloads: Downloads) -> Process:
        launch = part.prepare(downloads)
        process = spawn(launch.argv, launch.environ, part.log)
        self._state.remember(part.name, process)
        return process

    def _clear(self, part: Part) -> None:
        """Delete the folder of a part that was never up: an interrupted start may have left half its files."""
        if self._state.is_begun(part.name) and part.folder.exists():
            self._report(f"{part.name} has never been up here: what its first start left is removed")
            rmtree(part.folder)
        if not part.folder.exists():
            self._state.begin(part.name)

    def _await(self, part: Part, process: Process) -> None:
        watch = part.site.settings.starting.watch(process)
        while (lacking := why_not_ready(part, process)) is not None:
            require_space(part.site.settings.state, "K2_STATE_DIR")
            if not process.running:
                raise Unavailable(_with_log(part, f"{part.name} ended while it was starting"))
            if reason := watch.expired():
                raise Unavailable(_with_log(part, f"{part.name} was not ready {reason}: {lacking}"))
            self._abandoned.wait(_POLL_S)
            self._check_pursued(part)


def why_not_ready(part: Part, process: Process) -> str | None:
    """Why a part is not ready, or None if it answers and ``process`` owns its ports."""
    if not process.listens(part.port):
        return f"process {process.pid} does not listen on port {part.port}"
    try:
        part.check()
    except NotReadyError as error:
        return str(error)
    return None


def _with_log(part: Part, text: str) -> str:
    lines = tail(part.log, _TAIL)
    return "\n".join([f"{text}; the end of {part.log}:", *(f"  {line}" for line in lines)])
