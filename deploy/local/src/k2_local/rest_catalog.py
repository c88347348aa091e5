"""An Iceberg REST catalog on PostgreSQL: Iceberg's own servlet over its JDBC catalog, under Jetty.

It is what Iceberg's ``RESTCatalogServer`` runs, put together by Jetty's configuration in place of that class, which
listens on every address, logs its password and wants Hadoop. It asks nobody who they are: for this machine alone.
"""

import os
from importlib.resources import files
from xml.sax.saxutils import escape

from k2_local.artifacts import Downloads
from k2_local.disk import write_whole
from k2_local.parts import Launch, Part, check_answer, java
from k2_local.postgres import DATABASE, USER, password
from k2_local.seaweed import BUCKET, REGION
from k2_support.ports import HOST

LOCATION = f"s3://{BUCKET}/warehouse"
_NAME = "k2"  # in the database: a SQL catalog of this name shares the tables
_HEAP_MB = 256


class RestCatalog(Part):
    """The Iceberg catalog; what it acknowledged is in PostgreSQL."""

    name = "rest_catalog"
    answers_at = "iceberg"
    needs = ("postgres", "seaweed")

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        template = files("k2_local").joinpath("rest_catalog.xml").read_text()
        entries = (
            f"<Entry><Item>{name}</Item><Item>{escape(value)}</Item></Entry>" for name, value in self._settings()
        )
        given = {"host": HOST, "port": self.port, "name": _NAME, "settings": "".join(entries)}
        configuration = self.folder / "rest_catalog.xml"
        write_whole(configuration, template.format(**given), mode=0o600)
        classpath = os.pathsep.join(map(os.fspath, downloads.rest_catalog_classpath))
        main = "org.eclipse.jetty.xml.XmlConfiguration"
        return Launch(java(_HEAP_MB, "-cp", classpath, main, os.fspath(configuration)), {})

    def check(self) -> None:
        """Ready when it lists its namespaces, which are in the database."""
        check_answer("the Iceberg catalog", f"http://{HOST}:{self.port}/v1/namespaces")

    def _settings(self) -> list[tuple[str, str]]:
        ports, identity = self.site.ports, self.site.identity
        found = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:postgresql://{HOST}:{ports['postgres']}/{DATABASE}",
            "jdbc.user": USER,
            "jdbc.password": password(self.site),
            "jdbc.schema-version": "V1",
            "warehouse": LOCATION,
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "s3.endpoint": f"http://{HOST}:{ports['s3']}",
            "s3.path-style-access": "true",
            "s3.access-key-id": identity.s3_access_key_id,
            "s3.secret-access-key": identity.s3_secret_access_key,
            "client.region": REGION,
        }
        return list(found.items())
