"""The shapes of a database's tables, and how they differ from what statements would make."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from secrets import token_hex

from clickhouse_connect.driver.client import Client

Shape = Mapping[str, str]
"""A table's engine and columns: each by its name, in ClickHouse's own words."""

_ENGINE, _VIEW = "engine", "View"
_SHAPES = """
SELECT name AS table, 'engine' AS part,
    if(engine = 'View', engine, replace(engine_full, {database:String} || '.', '')) AS shape
FROM system.tables WHERE database = {database:String}
UNION ALL
SELECT table, 'column ' || name,
    arrayStringConcat([type, default_kind, default_expression, compression_codec, comment], ' ')
FROM system.columns WHERE database = {database:String}
"""


def shapes(client: Client, database: str) -> dict[str, Shape]:
    """The shape of every table of a database; of one that does not exist none. Blocks."""
    found: dict[str, dict[str, str]] = {}
    answer = client.raw_query(_SHAPES, {"database": database}, fmt="JSONCompactEachRow", use_database=False)
    for table, part, shape in map(json.loads, answer.splitlines()):
        found.setdefault(table, {})[part] = " ".join(shape.split())
    return dict(found)


def differences(client: Client, statements: Iterable[str]) -> list[str]:
    """In which tables and columns the client's database is not what the statements make. Blocks.

    They are run in a database beside it. Tables and columns that only the database has are no difference, nor are the
    types of a view: an offload makes those over both tiers anew, and gives them types that both can have.
    """
    found = shapes(client, str(client.database))
    with _scratch(client) as scratch:
        for statement in statements:
            client.command(statement)
        wanted = shapes(client, scratch)
    return [line for table in wanted for line in _compared(table, wanted[table], found.get(table))]


def _compared(table: str, wanted: Shape, found: Shape | None) -> list[str]:
    if found is None:
        return [f"table {table} is missing"]
    if wanted[_ENGINE] == found[_ENGINE] == _VIEW:
        wanted = {part: found.get(part, shape) for part, shape in wanted.items()}
    return [
        f"{table}: {part} is {found.get(part, 'missing')!r}, the migrations made {shape!r}"
        for part, shape in wanted.items()
        if found.get(part) != shape
    ]


@contextmanager
def _scratch(client: Client) -> Iterator[str]:
    """A database of the client's own, for the block."""
    own, scratch = client.database, f"{client.database}_compared_{token_hex(4)}"
    client.command(f"CREATE DATABASE {scratch} ENGINE = Atomic", use_database=False)
    client.database = scratch
    try:
        yield scratch
    finally:
        client.database = own
        client.command(f"DROP DATABASE {scratch} SYNC", use_database=False)
