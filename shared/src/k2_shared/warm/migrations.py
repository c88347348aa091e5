"""The numbered migrations of ``schemas/clickhouse``: which there are, which a database has, and how it gets the others.

A migration is applied once and never changed: its checksum is kept beside it. ClickHouse has no transaction around
DDL, so every statement can be repeated (``IF NOT EXISTS``), and a migration that was cut short is applied again.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from socket import gethostname

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from k2_shared.core.contracts import ROOT
from k2_shared.core.errors import Halt, Unavailable
from k2_shared.warm.shapes import differences, shapes

_FILE = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")
_APPLIED, _LOCK = "schema_migrations", "schema_migrations_lock"
_APPLIED_TABLE = f"""
CREATE TABLE IF NOT EXISTS {_APPLIED}
(number UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
ENGINE = ReplacingMergeTree ORDER BY number COMMENT 'The migrations of schemas/clickhouse that are applied'
"""
_TABLE_EXISTS = 57
_LOCK_POLL_S = 0.5
_LOCK_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``schemas/clickhouse``: its number, its name, and what it does."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells two texts apart."""
        return sha256(self.sql.encode()).hexdigest()[:16]

    @property
    def statements(self) -> list[str]:
        """Its statements, in their order; a statement ends with a semicolon at the end of a line."""
        return [statement for text in re.split(r";\s*(?:\n|$)", self.sql) if (statement := text.strip())]

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database stands to the migrations: which it has and lacks, and in what it differs from those it has."""

    applied: Sequence[Migration]
    pending: Sequence[Migration]
    drift: Sequence[str]


@cache
def migrations() -> Sequence[Migration]:
    """Every migration, in their order."""
    named = {entry.name: entry for entry in (ROOT / "clickhouse").iterdir()}
    found = ((match, named[name]) for name in sorted(named) if (match := _FILE.fullmatch(name)))
    return [Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")) for match, file in found]


def standing(client: Client) -> Standing:
    """Compare the client's database with the migrations; one that does not exist has none. Blocks.

    What the applied ones make is made once more in a database beside it, and compared table by table.
    """
    checksums = _checksums(client)
    known = {migration.number: migration for migration in migrations()}
    applied = [known[number] for number in sorted(checksums) if number in known]
    pending = [migration for number, migration in known.items() if number not in checksums]
    drift = _changed(checksums, known)
    if applied and not drift:
        drift = differences(client, [statement for migration in applied for statement in migration.statements])
    return Standing(applied, pending, drift)


def apply(client: Client, patience_s: float = _LOCK_PATIENCE_S) -> Sequence[Migration]:
    """Apply what is pending, one process at a time, waiting so long for another; returns it. Blocks.

    Raises:
        Halt: the database is not what the applied migrations made.
        Unavailable: another process holds the lock.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.database} ENGINE = Atomic", use_database=False)
    with _locked(client, patience_s):
        found = standing(client)
        if found.drift:
            raise Halt(
                f"database {client.database} is not what the migrations made: {'; '.join(found.drift)}: "
                "undo that by hand, or begin another database (CLICKHOUSE_DATABASE)"
            )
        client.command(_APPLIED_TABLE)
        for migration in found.pending:
            _apply(client, migration)
    return found.pending


def _apply(client: Client, migration: Migration) -> None:
    for statement in migration.statements:
        client.command(statement)
    row = [migration.number, migration.name, migration.checksum]
    client.insert(_APPLIED, [row], column_names=["number", "name", "checksum"])


def _checksums(client: Client) -> Mapping[int, str]:
    """What the database says is applied: checksums by number."""
    if _APPLIED not in shapes(client, str(client.database)):
        return {}
    numbers, checksums = client.query("SELECT number, checksum FROM schema_migrations FINAL").result_columns or ((), ())
    return dict(zip(numbers, checksums, strict=True))


def _changed(checksums: Mapping[int, str], known: Mapping[int, Migration]) -> list[str]:
    """Which migrations are not what was applied under their numbers."""
    unknown = [f"migration {number:04} is applied, and this version has none" for number in checksums.keys() - known]
    return unknown + [
        f"migration {known[number]} was changed: {checksum} was applied, its checksum is {known[number].checksum}"
        for number, checksum in sorted(checksums.items())
        if number in known and known[number].checksum != checksum
    ]


@contextmanager
def _locked(client: Client, patience_s: float) -> Iterator[None]:
    """Hold the migrations' lock, a table that only one process can create; its comment says who.

    Raises:
        Unavailable: another process held it all the while.
    """
    holder = f"{gethostname()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    until = time.monotonic() + patience_s
    while not _take(client, holder):
        if time.monotonic() > until:
            raise Unavailable(
                f"another process is migrating database {client.database} ({_holder(client)}): if it is dead, drop "
                f"table {client.database}.{_LOCK} and try again"
            )
        time.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        client.command(f"DROP TABLE {_LOCK} SYNC")


def _take(client: Client, holder: str) -> bool:
    try:
        client.command(f"CREATE TABLE {_LOCK} (nothing UInt8) ENGINE = MergeTree ORDER BY nothing COMMENT '{holder}'")
    except DatabaseError as error:
        if error.code == _TABLE_EXISTS:
            return False
        raise
    return True


def _holder(client: Client) -> str:
    said = "SELECT comment FROM system.tables WHERE database = {database:String} AND name = {name:String}"
    rows = client.query(said, parameters={"database": client.database, "name": _LOCK}).result_rows
    return str(rows[0][0]) if rows else "it has just ended"
