"""A warm tier of a test's own on a real ClickHouse, and what stands in its tables, exactly."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from clickhouse_connect.driver.client import Client

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import connect, database
from k2_shared.warm.migrations import apply

_COLUMNS = "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}"
_OFFSETS = """
SELECT kafka_offset FROM {table:Identifier} FINAL WHERE kafka_partition = {partition:Int32} ORDER BY 1
"""
_PLACE = "kafka_topic, kafka_partition, kafka_offset"

Row = dict[str, Any]
"""A row by its columns: bytes and texts as bytes, times as integers in their own unit, decimals and maps as such."""


class WarmTables:
    """The tables of one run, over a client of its own. Methods block."""

    def __init__(self, settings: ClickHouseSettings, names: Names) -> None:
        self.database = database(settings, names)
        self._settings = settings
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The client, connected when it is first used or after ``close``."""
        self._client = self._client or connect(self._settings, self.database)
        return self._client

    def close(self) -> None:
        """End the connection; the next use begins another."""
        if self._client:
            self._client.close()
        self._client = None

    def create(self) -> None:
        """Make the database and its tables by the migrations."""
        apply(self.client)

    def drop(self) -> None:
        """Delete the database."""
        self.client.command(f"DROP DATABASE IF EXISTS {self.database} SYNC", use_database=False)

    def command(self, sql: str) -> None:
        """Run a statement."""
        self.client.command(sql)

    def ask(self, sql: str, **given: Any) -> Sequence[Sequence[Any]]:
        """The rows of a query."""
        rows: Sequence[Sequence[Any]] = self.client.query(sql, parameters=given).result_rows
        return rows

    def count(self, table: str) -> int:
        """How many rows a reader finds."""
        ((found,),) = self.ask("SELECT count() FROM {table:Identifier} FINAL", table=table)
        return int(found)

    def offsets(self, table: str, partition: int) -> list[int]:
        """The offsets of a partition's rows, as a reader finds them, sorted; a row that stands twice is there twice."""
        return [int(offset) for (offset,) in self.ask(_OFFSETS, table=table, partition=partition)]

    def rows(self, table: str) -> list[Row]:
        """Every row as a reader finds it, by place."""
        columns = self.ask(_COLUMNS, database=self.database, table=table)
        selected = ", ".join(f"{_exact(name, kind)} AS {name}_" for name, kind in columns)
        sql = f"SELECT {selected} FROM {{table:Identifier}} FINAL ORDER BY {_PLACE}"  # noqa: S608  # its own columns
        found = self.ask(sql, table=table)
        names = [name for name, _ in columns]
        return [dict(zip(names, map(_bytes, row), strict=True)) for row in found]


def _exact(name: str, kind: str) -> str:
    """An expression of a column's values that loses nothing on its way to Python."""
    if kind.startswith("Array("):
        return f"arrayMap(each -> (hex(each.1), hex(each.2), isNull(each.2)), {name})"
    if "DateTime64(6" in kind:
        return f"toUnixTimestamp64Micro({name})"
    if "DateTime64(3" in kind:
        return f"toUnixTimestamp64Milli({name})"
    return f"('hex', hex({name}), isNull({name}))" if "String" in kind and not kind.startswith("Map(") else name


def _bytes(value: Any) -> Any:
    match value:
        case ("hex", found, is_null):
            return None if is_null else bytes.fromhex(found)
        case list():
            return [(bytes.fromhex(name), None if null else bytes.fromhex(found)) for name, found, null in value]
        case _:
            return value


@contextmanager
def warm_tables(settings: ClickHouseSettings, names: Names) -> Iterator[WarmTables]:
    """The tables of one run for the length of the block."""
    made = WarmTables(settings, names)
    made.create()
    try:
        yield made
    finally:
        made.drop()
        made.close()
