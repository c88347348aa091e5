"""The lake of a stack alone: object store, PostgreSQL and the Iceberg catalog on it; up within some seconds."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k2_local import StackSettings
from k2_local.artifacts import Cache
from k2_local.environment import environment
from k2_local.identity import identity_of
from k2_local.parts import Part, Site
from k2_local.ports import PortClaims, assign
from k2_local.postgres import DATABASE, USER, Postgres, password
from k2_local.processes import Process
from k2_local.rest_catalog import RestCatalog
from k2_local.seaweed import Seaweed
from k2_local.stack_state import StackState
from k2_local.startup import Startup
from k2_support.ports import HOST


class Lake:
    """What of a stack is the lake: store, database and catalog."""

    def __init__(self, folder: Path) -> None:
        settings = StackSettings.load(k2_state_dir=folder, k2_catalog="postgres")
        self.state = StackState(settings.state)
        known: dict[str, int] = {}
        with PortClaims() as claims:
            for kind in (Seaweed, Postgres, RestCatalog):
                known |= assign(settings, kind.name, known, print, claims)
        site = Site(
            settings, identity_of(settings.state), known | dict.fromkeys(("kafka", "registry", "clickhouse"), 1)
        )
        self.site, self.parts = site, [kind(site) for kind in (Seaweed, Postgres, RestCatalog)]

    def up(self) -> None:
        """Start what does not run."""
        downloads = Cache(self.site.settings.cache, print).fetch([part.name for part in self.parts])
        with PortClaims() as claims:
            Startup(self.state, claims, print).run(self.parts, downloads)

    def process(self, part: str) -> Process:
        """The process of a part."""
        found = self.state.process(part)
        assert found is not None
        return found

    def end(self, part: Part, by: signal.Signals) -> str | None:
        """End a part; why it was killed instead, if it was."""
        return self.process(part.name).stop(self.site.settings.stopping, by)

    def settings(self) -> dict[str, str]:
        """How a client of the REST catalog is set, by field."""
        return {
            name.lower(): value for name, value in environment(self.site).items() if name.startswith(("ICE", "S3_"))
        }

    def database(self) -> dict[str, str]:
        """How a client of a SQL catalog in the same database is set, which has the same tables."""
        uri = f"postgresql://{HOST}:{self.site.ports['postgres']}/{DATABASE}"
        login = {"iceberg_catalog_uri": uri, "iceberg_credential": f"{USER}:{password(self.site)}"}
        return {**self.settings(), **login}

    @contextmanager
    def running(self) -> Iterator["Lake"]:
        """Be up for the length of the block."""
        try:
            self.up()
            yield self
        finally:
            for part in reversed(self.parts):
                if self.state.process(part.name):
                    self.end(part, part.ended_by)
