"""Server processes that share a state folder, as one thing: start, down, status, logs."""

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from k2_local import ports
from k2_local.artifacts import Downloads
from k2_local.disk import explained, locked, require_space
from k2_local.parts import Part, Site
from k2_local.progress import step
from k2_local.settings import StackSettings
from k2_local.stack_state import StackState
from k2_local.startup import Startup
from k2_local.status import PartStatus, status_of
from k2_shared.core.errors import ConfigError

Report = Callable[[str], None]


def no_report(_line: str) -> None:
    """Tell nobody."""


class Servers(ABC):
    """One state folder and the parts that live in it; commands on one folder wait for each other.

    Every method blocks. ``report`` is given lines for people, from any thread. Errors are ConfigError
    (settings, disk, downloads) and Unavailable (a part does not start or does not run).
    """

    command: str  # of the command line, whose ``up``, ``down`` and ``status`` these are

    def __init__(self, settings: StackSettings) -> None:
        self._given = settings
        self._state = StackState(settings.state)

    @property
    def settings(self) -> StackSettings:
        """The settings that hold in the folder."""
        return self._given

    @property
    def folder(self) -> Path:
        """The folder as ``--state`` names it."""
        return self._given.state

    def order(self, verb: str) -> str:
        """The command line that does this to the parts, in whatever folder it is typed."""
        return f"{self.command} {verb} --state {shlex.quote(str(self.folder))}"

    @property
    @abstractmethod
    def kinds(self) -> tuple[type[Part], ...]:
        """The parts, in the order in which they are shown."""

    @property
    def stoppable(self) -> Mapping[str, type[Part]]:
        """Every part that may run in the folder, by its name."""
        return {kind.name: kind for kind in self.kinds}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(kind.name for kind in self.kinds)

    def start(self, report: Report = no_report) -> list[str]:
        """Start what does not run, wait until every part works, and return the names of what was started.

        If one part fails, what this call started is stopped again. Harmless where all run.
        """
        with self._exclusive(report), ports.PortClaims() as claims, self._around_start():
            missing = [name for name in self.names if not self._runs(name)]
            if missing:
                require_space(self.settings.state, "K2_STATE_DIR")
            self._assign_ports(missing, claims, report)
            downloads = self._downloads(report)
            started = False
            try:
                with step(f"starting {', '.join(missing)}", report) if missing else nullcontext():
                    Startup(self._state, claims, report).run(self._parts(), downloads)
                started = True
            finally:
                if not started:
                    self._stop(missing, report)
            return missing

    def down(self, report: Report = no_report, only: Iterable[str] | None = None) -> None:
        """Stop parts, all by default: SIGTERM, then SIGKILL for one that does nothing; nothing of others is ended."""
        if self.settings.state.is_dir():
            with self._exclusive(report):
                self._stop(self.stoppable if only is None else only, report)

    def status(self) -> list[PartStatus]:
        """Ask every part how it is; takes a few seconds at most and changes nothing."""
        if not self.exists():
            return [PartStatus(name, "down") for name in self.names]
        with explained(self.settings.state, "K2_STATE_DIR"), ThreadPoolExecutor(len(self.names)) as pool:
            return list(pool.map(lambda part: status_of(part, self._state.process(part.name)), self._parts()))

    def running(self) -> list[str]:
        """The names of the parts whose processes run, without asking whether they work."""
        return list(self.pids())

    def pids(self) -> dict[str, int]:
        """The processes that run, by the names of their parts, without asking whether they work."""
        found = {name: self._state.process(name) for name in self.names}
        return {name: process.pid for name, process in found.items() if process is not None and process.running}

    def exists(self) -> bool:
        """Whether the parts were ever started in the folder."""
        return bool(self._state.ports())

    def log(self, part: str) -> Path:
        """The log file of a part, whether it exists or not."""
        return self.settings.state / "logs" / f"{part}.log"

    @abstractmethod
    def _site(self) -> Site:
        """What the parts need to know."""

    @abstractmethod
    def _downloads(self, report: Report) -> Downloads:
        """What the parts run from; may take a while."""

    @contextmanager
    def _around_start(self) -> Iterator[None]:
        """What is refused before anything is started, and what is written when all works; nothing by default."""
        yield

    @contextmanager
    def _exclusive(self, report: Report) -> Iterator[None]:
        state = self._given.state
        waiting = f"another command is at work in {os.path.relpath(state)}: waiting for it"
        with explained(state, "K2_STATE_DIR"), locked(state / "lock", lambda: report(waiting)):
            yield

    def _runs(self, name: str) -> bool:
        process = self._state.process(name)
        return process is not None and process.running

    def _assign_ports(self, missing: Collection[str], claims: ports.PortClaims, report: Report) -> None:
        known = self._state.ports()
        for part in self.names:
            if part not in missing and (wrong := ports.contradiction(self.settings, part, known)):
                raise ConfigError(f"{wrong}: run {self.command} down first")
        for part in missing:
            if self._state.process(part) is not None:
                ports.await_release(self.settings, part, known)
            known |= ports.assign(self.settings, part, known, report, claims)
        self._state.remember_ports(known)

    def _parts(self) -> list[Part]:
        site = self._site()
        return [kind(site) for kind in self.kinds]

    def _stop(self, names: Iterable[str], report: Report) -> None:
        with ThreadPoolExecutor(len(self.stoppable)) as pool:
            for _ in pool.map(lambda name: self._stop_part(name, report), names):
                pass

    def _stop_part(self, name: str, report: Report) -> None:
        process = self._state.process(name)
        if process is not None and process.running:
            reason = process.stop(self.settings.stopping, self.stoppable[name].ended_by)
            report(f"{name} did not stop {reason}: it was killed" if reason else f"{name} is down")
        self._state.forget(name)
