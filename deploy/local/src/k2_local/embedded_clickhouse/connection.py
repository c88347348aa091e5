"""The engine of one data directory, and the connections that queries run on: each belongs to one thread at a time."""

import fcntl
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Self

import chdb

from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.guard import Syntax
from k2_local.embedded_clickhouse.limits import Limits
from k2_local.embedded_clickhouse.statement import Insert
from k2_shared.core.errors import ConfigError, Halt

Params = Mapping[str, str]  # of {name:Type}, as ClickHouse writes values in TSV

_NONE: Params = MappingProxyType({})
_EXPLAIN = "EXPLAIN AST "
_SPOOL = "endpoint.spool"
_NAME = re.compile(r"^[A-Za-z_]\w*$")
_POSITION = re.compile(r"(failed at position |\(line 1, col )(\d+)")
# What the engine has switched on because chdb makes it a command-line tool, and what 26.x does to small inserts.
_SERVER_LIKE = {
    "async_insert": 0,
    "implicit_select": 0,
    "allow_introspection_functions": 0,
    "output_format_arrow_string_as_string": 1,
}


class Connection:
    """One connection of the engine: its database, settings and temporary tables are its own. Methods block."""

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self._spool = path / _SPOOL
        self.token = uuid.uuid4().hex
        """What ``Engine.kill`` knows its queries by."""
        self._raw = chdb.connect(str(path))
        self.set({**settings, "log_comment": self.token})

    def set(self, settings: Mapping[str, object]) -> None:
        """Change settings, or parameters as ``param_<name>``, until the connection closes; raises QueryError."""
        if wrong := [name for name in settings if not _NAME.match(name)]:
            raise QueryError.of(Code.BAD_ARGUMENTS, f"{wrong[0]!r} is not the name of a setting")
        if settings:
            self.whole("SET " + ", ".join(f"{name}={quoted(value)}" for name, value in settings.items()))

    def values(self, names: Iterable[str]) -> dict[str, str]:
        """What settings are now, as text; raises QueryError if one is unknown."""
        wanted = list(names)
        if not wanted:
            return {}
        row = self.whole(
            "SELECT " + ", ".join(f"toString(getSetting({quoted(name)}))" for name in wanted), "JSONCompact"
        )
        return dict(zip(wanted, json.loads(row.bytes())["data"][0], strict=True))

    @property
    def database(self) -> str:
        """The current database."""
        return str(json.loads(self.whole("SELECT currentDatabase()", "JSONCompact").bytes())["data"][0][0])

    def use(self, database: str) -> None:
        """Make a database the current one; raises QueryError if there is none."""
        self.whole(f"USE {identifier(database)}")

    def syntax(self, sql: str, params: Params = _NONE) -> Syntax:
        """Parse a statement without running it; raises QueryError as running it would."""
        found = self._raw._conn.classify_query(sql)
        try:
            tree = self.whole(_EXPLAIN + sql, "TSVRaw", params).bytes().decode()
            return Syntax(tree, found["statement_count"], found["query_class"].name == "CONTROL")
        except QueryError as error:
            raise QueryError(error.code, _POSITION.sub(_without_explain, str(error))) from None

    def whole(self, sql: str, output: str = "TabSeparated", params: Params = _NONE) -> Any:
        """Run a statement to its end and return chdb's result; raises QueryError."""
        try:
            return self._raw.query(sql, output, params=dict(params))
        except (chdb.ChdbError, RuntimeError) as error:
            raise QueryError.from_engine(error) from None

    def blocks(self, sql: str, output: str, params: Params = _NONE) -> Generator[Any]:
        """Run a SELECT and yield its result block by block, each in the output format; any may raise QueryError."""
        try:
            with self._raw.send_query(sql, output, params=dict(params)) as stream:
                yield from stream
        except (chdb.ChdbError, RuntimeError) as error:
            raise QueryError.from_engine(error) from None

    def insert(self, insert: Insert, data: Iterator[bytes]) -> Any:
        """Run an INSERT whose data comes in pieces; returns chdb's result. Raises QueryError, and what ``data`` raises.

        The data is put by in a file first, so nothing is written if ``data`` raises. chdb's ``send_insert`` would spare
        that, but says of an insert that failed while its parts were written, as for want of memory, that all is well.
        """
        with tempfile.NamedTemporaryFile(dir=self._spool, buffering=0) as file:
            for piece in data:
                _put_by(file, piece)
            return self.whole(insert.from_file(quoted(file.name)))

    def close(self) -> None:
        """Forget the connection; what runs on it is cancelled."""
        self._raw.close()


class Engine:
    """chdb on one directory, which is ours alone as long as it is open."""

    def __init__(self, path: Path, limits: Limits, database: str, lock: BinaryIO) -> None:
        self._path, self._limits, self._database, self._lock = path, limits, database, lock
        self._main = chdb.connect(f"{path}?config-file={_config(path, limits)}")
        self._killer = Connection(path, _SERVER_LIKE)
        self._killer.whole(f"CREATE DATABASE IF NOT EXISTS {identifier(database)} ENGINE=Atomic")
        facts = self._killer.whole("SELECT version(), timezone(), hostName()").bytes().decode().rstrip("\n").split("\t")
        self.version, self.timezone, self.host = facts
        names = self._killer.whole("SELECT lower(name) FROM system.table_functions").bytes().decode()
        self.table_functions = frozenset(names.split())

    @classmethod
    def open(cls, path: Path, limits: Limits, database: str) -> Self:
        """Open a directory, or make it, with one database.

        Raises:
            ConfigError: the path cannot be used, or another process has it.
            Halt: the engine does not open what is there.
        """
        lock = _locked(path)
        shutil.rmtree(path / _SPOOL, ignore_errors=True)  # of a process that was killed
        (path / _SPOOL).mkdir(0o700)
        try:
            return cls(path, limits, database, lock)
        except (chdb.ChdbError, RuntimeError, QueryError) as error:
            lock.close()
            raise Halt(f"ClickHouse's engine does not open {path}: {error}") from None

    def connect(self) -> Connection:
        """A new connection with the server's settings; takes about a millisecond."""
        connection = Connection(self._path, {**_SERVER_LIKE, **self._limits.granted})
        connection.use(self._database)
        return connection

    def kill(self, token: str) -> None:
        """Cancel what runs on a connection; returns before it has ended."""
        self._killer.whole(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(token)} ASYNC")

    def close(self) -> None:
        """Close the directory; blocks until the engine has written what it holds."""
        self._killer.close()
        self._main.close()
        self._lock.close()


def _put_by(file: Any, piece: bytes) -> None:
    left = memoryview(piece)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _no_space(error) from None


def _no_space(error: OSError) -> QueryError:
    return QueryError.of(Code.NOT_ENOUGH_SPACE, f"the data of the insert cannot be put by: {error.strerror}")


def quoted(value: object) -> str:
    """A value as a literal of ClickHouse."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A name as an identifier of ClickHouse."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _without_explain(found: re.Match[str]) -> str:
    return f"{found[1]}{int(found[2]) - len(_EXPLAIN)}"


def _locked(path: Path) -> BinaryIO:
    """Hold the directory until the file is closed or the process dies."""
    if "?" in str(path):
        raise ConfigError(f"cannot use {path} for ClickHouse: its name has a question mark")
    try:
        path.mkdir(0o700, parents=True, exist_ok=True)
        file = (path / "endpoint.lock").open("wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"another process has {path} open: stop it, or give another --path") from None
    except OSError as error:
        raise ConfigError(f"cannot use {path} for ClickHouse ({error.strerror}): give another --path") from None
    return file


def _config(path: Path, limits: Limits) -> Path:
    """Write the engine's own configuration; what can only be set there, and what its defaults make too large."""
    file = path / "endpoint.xml"
    file.write_text(
        "<clickhouse>\n"
        f"  <max_server_memory_usage>{limits.memory}</max_server_memory_usage>\n"
        f"  <mark_cache_size>{limits.mark_cache}</mark_cache_size>\n"
        f"  <storage_configuration><disks><default><keep_free_space_bytes>{limits.free_disk}</keep_free_space_bytes>"
        "</default></disks></storage_configuration>\n"
        f"  <merge_tree><merge_with_ttl_timeout>{limits.ttl_merge_s}</merge_with_ttl_timeout></merge_tree>\n"
        "</clickhouse>\n"
    )
    return file
