"""ClickHouse: the engine that chdb embeds, behind its HTTP interface."""

import sys

from k2_local.artifacts import Downloads
from k2_local.embedded_clickhouse.limits import MIB
from k2_local.parts import Launch, Part, check_answer
from k2_support.ports import HOST

DATABASE = "k2"
OWNER, READER = "k2", "reader"


class ClickHouse(Part):
    """The warm tier's server; only its two users are let in."""

    name = "clickhouse"
    answers_at = "clickhouse"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        settings, identity = self.site.settings, self.site.identity
        memory = settings.k2_clickhouse_memory_mb * MIB
        options = [
            ("path", self.folder / "data"),
            ("port", self.port),
            ("database", DATABASE),
            ("limit", f"memory={memory}"),
            ("limit", f"query_memory={memory // 2}"),
        ]
        passwords = {
            "CLICKHOUSE_USER": OWNER,
            "CLICKHOUSE_PASSWORD": identity.password_of(OWNER),
            "CLICKHOUSE_READER_USER": READER,
            "CLICKHOUSE_READER_PASSWORD": identity.password_of(READER),
        }
        argv = [f"--{name}={value}" for name, value in options]
        return Launch([sys.executable, "-P", "-m", "k2_local.embedded_clickhouse", *argv], passwords)

    def check(self) -> None:
        """Ready when it answers a query of its owner: the directory is open and the password is ours."""
        login = (OWNER, self.site.identity.password_of(OWNER))
        check_answer("ClickHouse", f"http://{HOST}:{self.port}/?query=SELECT+1", login)
