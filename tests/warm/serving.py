"""A ClickHouse for the length of a run, which may be killed, frozen and started with other limits."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_support.children import Child
from k2_support.ports import HOST, free_port
from k2_support.waiting import wait_for
from k2_support.warm_tables import WarmTables

_USER, _PASSWORD = "k2", "of-this-test"
_START_S = 120.0
_MODULE = "k2_local.embedded_clickhouse"


@dataclass
class Server:
    """One server over one folder; ``limits`` are those of ``k2_local.embedded_clickhouse.limits``, by name."""

    folder: Path
    limits: dict[str, int] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _child: Child | None = None

    @property
    def environment(self) -> dict[str, str]:
        """How clients reach it."""
        return {
            "CLICKHOUSE_URL": f"http://{HOST}:{self.port}",
            "CLICKHOUSE_USER": _USER,
            "CLICKHOUSE_PASSWORD": _PASSWORD,
        }

    @property
    def settings(self) -> ClickHouseSettings:
        """The same, as settings."""
        return ClickHouseSettings.load(**{name.lower(): value for name, value in self.environment.items()})

    @property
    def data(self) -> Path:
        """Where its data are."""
        return self.folder / "data"

    @property
    def is_running(self) -> bool:
        """Whether its process is there, also a frozen one."""
        return self._child is not None and self._child.exit_code is None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        limits = [word for name, value in self.limits.items() for word in ("--limit", f"{name}={value}")]
        arguments = ("--path", str(self.data), "--port", str(self.port), *limits)
        secrets = {**self.environment, "CLICKHOUSE_READER_PASSWORD": _PASSWORD}
        self._child = Child(_MODULE, secrets, self.folder / "clickhouse.log", self.port, arguments).start()
        wait_for(self._answers, _START_S, "the server")

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.environment['CLICKHOUSE_URL']}/ping", timeout=5) as answer:  # noqa: S310  # its own server
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, as to freeze it."""
        if self._child:
            self._child.signal(number)


@contextmanager
def serving(folder: Path, limits: Mapping[str, int] | None = None) -> Iterator[Server]:
    """A server for the length of the block."""
    server = Server(folder, dict(limits or {}))
    server.start()
    try:
        yield server
    finally:
        server.signal(signal.SIGCONT)
        server.kill()


def made(server: Server, names: Names) -> WarmTables:
    """The tables of a run on a server that answers."""
    tables = WarmTables(server.settings, names)
    tables.create()
    return tables
