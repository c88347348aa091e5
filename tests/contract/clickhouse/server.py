"""An embedded server of a test's own, killed, frozen and started with other limits, and addresses of users on any."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import clickhouse_connect
import requests
from clickhouse_connect.driver.client import Client

from k2_shared.core.settings import ClickHouseSettings
from k2_support.children import Child
from k2_support.ports import HOST, free_port
from k2_support.waiting import wait_for

MODULE = "k2_local.embedded_clickhouse"
_PASSWORD, _READER_PASSWORD = "owner's", "reader's"
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Address:
    """A user's way to a server, as a URL with the login."""

    url: str

    def client(self, database: str | None = None, **options: object) -> Client:
        """A new synchronous client."""
        return clickhouse_connect.get_client(
            dsn=self.url, tz_mode="aware", **({"database": database} if database else {}), **options
        )

    def ask(self, query: str = "", data: bytes | Iterator[bytes] = b"", **params: object) -> requests.Response:
        """A plain request, as a POST."""
        asked = {"query": query, **params} if query else params
        return requests.post(self.root, params=asked, data=data, auth=self.login, timeout=120)

    @property
    def root(self) -> str:
        """Where the server listens, without the login."""
        at = urlsplit(self.url)
        return f"{at.scheme}://{at.hostname}:{at.port}/"

    @property
    def login(self) -> tuple[str, str]:
        """User and password."""
        at = urlsplit(self.url)
        return at.username or "default", unquote(at.password or "")


def address_of(prefix: str) -> Address:
    """That of a user of the server of ``CLICKHOUSE_URL``, whose variables begin so."""
    at, password = urlsplit(os.environ["CLICKHOUSE_URL"]), os.environ.get(f"{prefix}_PASSWORD", "")
    return Address(f"{at.scheme}://{quote(os.environ[f'{prefix}_USER'])}:{quote(password)}@{at.netloc}")


@dataclass
class Embedded:
    """A server on a folder and a port of its own; a start takes its ``limits`` as they are then."""

    folder: Path
    limits: dict[str, float] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    child: Child = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        passwords = {"CLICKHOUSE_PASSWORD": _PASSWORD, "CLICKHOUSE_READER_PASSWORD": _READER_PASSWORD}
        self.child = Child(MODULE, passwords, self.folder / "server.log", self.port, self._arguments())

    @property
    def data(self) -> Path:
        """The folder of the engine."""
        return self.folder / "data"

    @property
    def owner(self) -> Address:
        """Who may do everything."""
        return Address(f"http://k2:{quote(_PASSWORD)}@{HOST}:{self.port}/k2")

    @property
    def reader(self) -> Address:
        """Who may only read."""
        return Address(f"http://reader:{quote(_READER_PASSWORD)}@{HOST}:{self.port}/k2")

    @property
    def environment(self) -> dict[str, str]:
        """How a service reaches it, as its owner."""
        user, password = self.owner.login
        return {
            "CLICKHOUSE_URL": f"http://{HOST}:{self.port}",
            "CLICKHOUSE_USER": user,
            "CLICKHOUSE_PASSWORD": password,
        }

    @property
    def settings(self) -> ClickHouseSettings:
        """The same, as settings."""
        return ClickHouseSettings.load(**{name.lower(): value for name, value in self.environment.items()})

    @property
    def is_running(self) -> bool:
        """Whether its process is there, also a frozen one."""
        return self.child.pid > 0 and self.child.exit_code is None

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            Unavailable: it ended, or did not answer in time.
        """
        self.child.arguments = self._arguments()
        self.child.start()
        wait_for(self._answers, _PATIENCE_S, "the embedded server")
        return self

    def stop(self) -> int:
        """End it in order; returns the exit code."""
        return self.child.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.child.kill()

    def _arguments(self) -> tuple[str, ...]:
        given = (f"--limit={name}={value}" for name, value in self.limits.items())
        return (f"--path={self.data}", f"--port={self.port}", *given)

    def _answers(self) -> bool:
        self.child.check()
        try:
            return requests.get(f"http://{HOST}:{self.port}/ping", timeout=5).ok
        except requests.RequestException:
            return False


@contextmanager
def serving(folder: Path) -> Iterator[Embedded]:
    """A server for the length of the block, in which it may be killed, frozen, and started again."""
    server = Embedded(folder).start()
    try:
        yield server
    finally:
        server.child.signal(signal.SIGCONT)
        server.kill()


ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


@contextmanager
def endless(owner: Address, query_id: str, **params: object) -> Iterator[list[requests.Response]]:
    """A query that runs for the length of the block; yields where its answer will be, once it has been killed."""
    answers: list[requests.Response] = []
    asked = {"query_id": query_id, **params}
    running = threading.Thread(target=lambda: answers.append(owner.ask(ENDLESS, **asked)))
    running.start()
    kill = f"KILL QUERY WHERE query_id = '{query_id}'"
    try:
        wait_for(lambda: bool(owner.ask(f"{kill} TEST").text) or bool(answers), _PATIENCE_S, "an endless query to run")
        yield answers
    finally:
        wait_for(lambda: bool(owner.ask(kill)) and not running.is_alive(), _PATIENCE_S, "an endless query to end")
