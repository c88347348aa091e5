"""The local stack: its parts by catalog, and the environment of its clients."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from shutil import rmtree

from k2_local import targets
from k2_local.artifacts import Cache, Downloads
from k2_local.clickhouse import ClickHouse
from k2_local.environment import environment
from k2_local.identity import identity_of
from k2_local.kafka import Kafka
from k2_local.parts import Part, Site
from k2_local.postgres import Postgres
from k2_local.registry import Apicurio
from k2_local.rest_catalog import RestCatalog
from k2_local.seaweed import Seaweed, SeaweedCatalog
from k2_local.servers import Report, Servers, no_report
from k2_local.settings import Catalog, StackSettings
from k2_local.targets import Targets
from k2_shared.core.errors import ConfigError, Unavailable

KINDS: Mapping[Catalog, tuple[type[Part], ...]] = {
    "seaweed": (Kafka, Apicurio, SeaweedCatalog, ClickHouse),
    "postgres": (Kafka, Apicurio, Seaweed, ClickHouse, Postgres, RestCatalog),
}
"""The parts of a stack, by its catalog."""
NAMES = tuple(dict.fromkeys(kind.name for kinds in KINDS.values() for kind in kinds))


class Stack(Servers):
    """Kafka, the schema registry, S3, the Iceberg catalog and ClickHouse; see ``Servers``."""

    command = "k2 stack"

    @property
    def settings(self) -> StackSettings:
        """The settings, with the catalog that the folder's stack has, if there is one."""
        return self._given.model_copy(update={"k2_catalog": self._state.catalog() or self._given.catalog})

    @property
    def kinds(self) -> tuple[type[Part], ...]:
        """See ``Servers``."""
        return KINDS[self.settings.catalog]

    @property
    def stoppable(self) -> Mapping[str, type[Part]]:
        """Those of every catalog."""
        return {kind.name: kind for kinds in KINDS.values() for kind in kinds}

    def up(self, report: Report = no_report) -> dict[str, str]:
        """Start what does not run, wait until every part works, and return its clients' environment."""
        self.start(report)
        return self.env()

    def env(self) -> dict[str, str]:
        """The environment of the running stack's clients, without asking whether it works.

        Raises:
            Unavailable: not every part runs.
        """
        running = self.running()
        if missing := [name for name in self.names if name not in running]:
            raise Unavailable(f"the stack is not up ({', '.join(missing)} not running): '{self.order('up')}' starts it")
        return environment(self._site())

    def reset(self, report: Report = no_report) -> None:
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

    @contextmanager
    def _around_start(self) -> Iterator[None]:
        self._settle_catalog()
        yield
        found = Targets(settings=environment(self._site()), start=self.order("up"), stack=self.folder)
        found.write(self.settings.state)

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

    def _site(self) -> Site:
        return Site(self.settings, identity_of(self.settings.state), self._state.ports())

    def _downloads(self, report: Report) -> Downloads:
        return Cache(self.settings.cache, report).fetch(self.names)
