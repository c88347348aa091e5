"""The local stack as one thing: up, down, status, and the environment of its clients."""

import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import rmtree

from k2_local import ports, targets
from k2_local.artifacts import Cache
from k2_local.clickhouse import ClickHouse
from k2_local.disk import explained, locked, require_space
from k2_local.environment import environment
from k2_local.identity import identity_of
from k2_local.kafka import Kafka
from k2_local.parts import Part, Site
from k2_local.postgres import Postgres
from k2_local.progress import step
from k2_local.registry import Apicurio
from k2_local.rest_catalog import RestCatalog
from k2_local.seaweed import Seaweed, SeaweedCatalog
from k2_local.settings import Catalog, StackSettings
from k2_local.stack_state import StackState
from k2_local.startup import Startup
from k2_local.status import PartStatus, status_of
from k2_local.targets import Targets
from k2_shared.core.errors import ConfigError, Unavailable

Report = Callable[[str], None]

KINDS: Mapping[Catalog, tuple[type[Part], ...]] = {
    "seaweed": (Kafka, Apicurio, SeaweedCatalog, ClickHouse),
    "postgres": (Kafka, Apicurio, Seaweed, ClickHouse, Postgres, RestCatalog),
}
"""The parts of a stack, by its catalog."""
NAMES = tuple(dict.fromkeys(kind.name for kinds in KINDS.values() for kind in kinds))


def _no_report(_line: str) -> None:
    pass


class Stack:
    """One state folder and the parts that live in it; commands on one folder wait for each other.

    Every method blocks. ``report`` is given lines for people, from any thread. Errors are ConfigError
    (settings, disk, downloads) and Unavailable (a part does not start or does not run).
    """

    def __init__(self, settings: StackSettings) -> None:
        self._given = settings
        self._state = StackState(settings.state)

    @property
    def settings(self) -> StackSettings:
        """The settings, with the catalog that the folder's stack has, if there is one."""
        return self._given.model_copy(update={"k2_catalog": self._state.catalog() or self._given.catalog})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(kind.name for kind in KINDS[self.settings.catalog])

    def up(self, report: Report = _no_report) -> dict[str, str]:
        """Start what does not run, wait until every part works, and return its clients' environment.

        If one part fails, what this call started is stopped again. Harmless on a running stack.
        """
        self.start(report)
        return self.env()

    def start(self, report: Report = _no_report) -> list[str]:
        """As ``up``, but return the names of the parts that this call started."""
        with self._exclusive(report), ports.PortClaims() as claims:
            self._settle_catalog()
            missing = [name for name in self.names if not self._runs(name)]
            if missing:
                require_space(self.settings.state, "K2_STATE_DIR")
            self._assign_ports(missing, claims, report)
            downloads = Cache(self.settings.cache, report).fetch(self.names)
            started = False
            try:
                with step(f"starting {', '.join(missing)}", report) if missing else nullcontext():
                    Startup(self._state, claims, report).run(self._parts(), downloads)
                started = True
            finally:
                if not started:
                    self._stop(missing, report)
            found = Targets(settings=environment(self._site()), start=self.settings.up_command)
            found.write(self.settings.state)
            return missing

    def down(self, report: Report = _no_report, only: Iterable[str] = NAMES) -> None:
        """Stop parts, all by default: SIGTERM, then SIGKILL for one that does nothing; nothing of others is ended."""
        if self.settings.state.is_dir():
            with self._exclusive(report):
                self._stop(only, report)

    def status(self) -> list[PartStatus]:
        """Ask every part how it is; takes a few seconds at most and changes nothing."""
        if not self.exists():
            return [PartStatus(name, "down") for name in self.names]
        with explained(self.settings.state, "K2_STATE_DIR"), ThreadPoolExecutor(len(self.names)) as pool:
            return list(pool.map(lambda part: status_of(part, self._state.process(part.name)), self._parts()))

    def running(self) -> list[str]:
        """The names of the parts whose processes run, without asking whether they work."""
        return [name for name in self.names if self._runs(name)]

    def exists(self) -> bool:
        """Whether a stack was ever started in the folder."""
        return bool(self._state.ports())

    def env(self) -> dict[str, str]:
        """The environment of the running stack's clients, without asking whether it works.

        Raises:
            Unavailable: not every part runs.
        """
        running = self.running()
        if missing := [name for name in self.names if name not in running]:
            raise Unavailable(
                f"the stack is not up ({', '.join(missing)} not running): '{self.settings.up_command}' starts it"
            )
        return environment(self._site())

    def reset(self, report: Report = _no_report) -> None:
        """Stop the stack and delete its topics, schemas, tables, logs, ports and identity."""
        if not self.settings.state.is_dir():
            return
        with self._exclusive(report):
            self._stop(NAMES, report)
            for name in (*NAMES, "logs", "run"):
                if (self.settings.state / name).exists():
                    rmtree(self.settings.state / name)
            for name in ("ports.json", "catalog.json", "identity.json", targets.FILE):
                (self.settings.state / name).unlink(missing_ok=True)

    def log(self, part: str) -> Path:
        """The log file of a part, whether it exists or not."""
        return self.settings.state / "logs" / f"{part}.log"

    @contextmanager
    def _exclusive(self, report: Report) -> Iterator[None]:
        state = self._given.state
        waiting = f"another command is at work in {os.path.relpath(state)}: waiting for it"
        with explained(state, "K2_STATE_DIR"), locked(state / "lock", lambda: report(waiting)):
            yield

    def _settle_catalog(self) -> None:
        """Remember the catalog of a new stack; an older one keeps its own.

        Raises:
            ConfigError: another one is asked for.
        """
        has, wanted = self._state.catalog(), self._given.k2_catalog
        if has and wanted and has != wanted:
            raise ConfigError(
                f"the stack in {self._given.state} has the catalog {has}, K2_CATALOG or --catalog ask for {wanted}: "
                "leave it out, name another folder by --state, or delete this one's tables by k2 stack reset"
            )
        self._state.remember_catalog(has or self._given.catalog)

    def _runs(self, name: str) -> bool:
        process = self._state.process(name)
        return process is not None and process.running

    def _assign_ports(self, missing: Collection[str], claims: ports.PortClaims, report: Report) -> None:
        known = self._state.ports()
        for part in self.names:
            if part not in missing and (wrong := ports.contradiction(self.settings, part, known)):
                raise ConfigError(wrong)
        for part in missing:
            if self._state.process(part) is not None:
                ports.await_release(self.settings, part, known)
            known |= ports.assign(self.settings, part, known, report, claims)
        self._state.remember_ports(known)

    def _site(self) -> Site:
        return Site(self.settings, identity_of(self.settings.state), self._state.ports())

    def _parts(self) -> list[Part]:
        site = self._site()
        return [kind(site) for kind in KINDS[site.settings.catalog]]

    def _stop(self, names: Iterable[str], report: Report) -> None:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            for _ in pool.map(lambda name: self._stop_part(name, report), names):
                pass

    def _stop_part(self, name: str, report: Report) -> None:
        process = self._state.process(name)
        if process is not None and process.running:
            reason = process.stop(self.settings.stopping, _ended_by(name))
            report(f"{name} did not stop {reason}: it was killed" if reason else f"{name} is down")
        self._state.forget(name)


def _ended_by(name: str) -> signal.Signals:
    return next(kind.ended_by for kinds in KINDS.values() for kind in kinds if kind.name == name)
