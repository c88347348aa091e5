"""A ClickHouse of a test's own before a sink: killed, frozen, and started again with other limits."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.clickhouse.server import Embedded

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_support.ports import HOST, free_port
from k2_support.warm_tables import WarmTables


@dataclass
class Server:
    """One folder and port, and the process that serves them now."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: Embedded = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self, **limits: float) -> None:
        """Start a process, with limits by their names there, and wait until it answers."""
        self.process = Embedded(self.folder, dict(limits), self.port).start()

    @property
    def environment(self) -> dict[str, str]:
        """How a sink reaches it."""
        user, password = self.process.owner.login
        return {
            "CLICKHOUSE_URL": f"http://{HOST}:{self.port}",
            "CLICKHOUSE_USER": user,
            "CLICKHOUSE_PASSWORD": password,
        }

    def tables(self, names: Names) -> WarmTables:
        """The tables of a run on it, which are made."""
        settings = ClickHouseSettings.load(**{name.lower(): value for name, value in self.environment.items()})
        made = WarmTables(settings, names)
        made.create()
        return made
