"""The schema registry: Apicurio with Confluent's API, on an H2 file."""

import os

from k2_local.artifacts import Downloads
from k2_local.parts import Launch, Part, check_answer, java
from k2_support.ports import HOST


class Apicurio(Part):
    """The stack's schema registry, by Apicurio; what it acknowledged is on disk."""

    name = "registry"
    answers_at = "registry"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        (jar,) = downloads.registry_home.glob("*-runner.jar")
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = [f"-D{name}={value}" for name, value in self._properties().items()]
        heap = self.site.settings.k2_registry_heap_mb
        # The C1 compiler alone starts faster and keeps up: a schema is registered once.
        return Launch(java(heap, "-XX:TieredStopAtLevel=1", *properties, "-jar", os.fspath(jar)), {})

    def check(self) -> None:
        """Ready when its database is open and every import is done."""
        check_answer("/health/ready", f"http://{HOST}:{self.port}/health/ready")

    def _properties(self) -> dict[str, object]:
        return {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.port,
            "quarkus.http.access-log.enabled": "false",
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            # Without WRITE_DELAY=0 a crash takes acknowledged schemas back, and their ids go to others.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.folder / 'registry'};WRITE_DELAY=0",
            "apicurio.datasource.jdbc.initial-size": 1,
            "apicurio.datasource.jdbc.min-size": 1,
            # Opening the file may take long: after the 5 s that are its default it would end.
            "quarkus.datasource.h2.jdbc.acquisition-timeout": f"{self.site.settings.k2_work_timeout_s:.0f}S",
        }
