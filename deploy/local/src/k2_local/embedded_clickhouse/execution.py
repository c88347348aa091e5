"""Runs one query in a thread: the statement is read, checked and run, and its result handed on piece by piece."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from k2_local.embedded_clickhouse import arrow, guard, reader
from k2_local.embedded_clickhouse.connection import Connection, Engine
from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.limits import MIB, Limits
from k2_local.embedded_clickhouse.query import Query
from k2_local.embedded_clickhouse.running import Running
from k2_local.embedded_clickhouse.sessions import Sessions
from k2_local.embedded_clickhouse.statement import Insert, insert_of, named_format, own_settings
from k2_shared.warm.reader import CHANGEABLE

_HEAD = 64 * 1024  # bytes of a request that are read before its SQL is looked for
# Formats whose blocks, one after the other, are the whole result; the others have a frame around it.
_BLOCKWISE = frozenset(
    {"Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "RowBinary", "JSONEachRow", "LineAsString"}
)
_SELECT = "SelectWithUnionQuery"
_TOP_FORMAT = re.compile(r"^ Identifier (\w+)", re.MULTILINE)


class Output(Protocol):
    """Where a result goes; methods block, and raise OSError if its client is gone."""

    def begin(self, result_format: str | None, summary: str) -> None:
        """The query has begun to answer; in no format if it is one that has no result."""
        ...

    def write(self, data: bytes) -> None:
        """A piece of the answer."""
        ...


@dataclass(frozen=True)
class Executor:
    """What every query of a server shares."""

    engine: Engine
    sessions: Sessions
    running: Running
    limits: Limits

    def run(self, query: Query, body: Iterator[bytes], output: Output) -> None:
        """Run a query to its end.

        Raises:
            QueryError: it was refused or it failed, perhaps after a part of its result went out.
            OSError: the client is gone.
        """
        insert, sql, data = self._read(query, body)
        with self.sessions.connection(query) as connection:
            self.running.runs_on(query.id, connection.token)
            syntax = connection.syntax(insert.statement if insert else sql, query.params)
            guard.check(syntax)
            if query.is_readonly:
                guard.check_reader(syntax, self.engine.table_functions)
            name = _format(sql, syntax) or query.default_format
            is_held = insert is not None or query.is_whole or not _is_streamed(syntax, name)
            with self._configured(connection, query, sql, is_held, syntax.kind):
                if insert:
                    _insert(connection, insert, query, data, output)
                elif is_held:
                    _whole(connection, self.running.translated(sql), name, query, output, syntax.kind == _SELECT)
                else:
                    _stream(connection, sql, name, query, output)

    def _read(self, query: Query, body: Iterator[bytes]) -> tuple[Insert | None, str, Iterator[bytes]]:
        """The INSERT, or the SQL; and, for an INSERT, its data."""
        head, is_all = bytearray(f"{query.text}\n".encode() if query.text else b""), False
        while True:
            is_all = _fill(head, body, len(head) + _HEAD)
            if insert := insert_of(bytes(head), is_all):
                return insert, "", _joined(bytes(head[insert.offset :]), body)
            if is_all:
                return None, head.decode(errors="replace"), iter(())
            if len(head) > self.limits.query_text:
                raise QueryError.of(Code.QUERY_IS_TOO_LARGE, f"the SQL is longer than {self.limits.query_text} bytes")

    @contextmanager
    def _configured(self, connection: Connection, query: Query, sql: str, is_held: bool, kind: str) -> Iterator[None]:
        """Database and settings of one query; a session then has its own again, unless the query is to change them."""
        kept = query.session is not None and not query.is_readonly
        is_changeable = not kept or connection.values(["readonly"])["readonly"] == "0"  # a client may SET it
        settings: dict[str, float] = {"max_result_bytes": self.limits.result} if is_held and is_changeable else {}
        before = connection.values({**settings, **query.settings}) if kept and is_changeable else {}
        database = connection.database if kept and query.database else ""
        if query.database:
            connection.use(query.database)
        connection.set(settings)
        if query.account.readonly:
            _set_readers(connection, query, sql, {**self.limits.granted, **settings})
        else:
            _set_own(connection, query)
        try:
            yield
        finally:
            if kind != "Set":
                connection.set(before)
            if database and kind != "UseQuery":
                connection.use(database)


def _set_own(connection: Connection, query: Query) -> None:
    """The query's own settings, also of one that asks for readonly=1."""
    connection.set(query.settings)
    if query.is_readonly:
        connection.set({"readonly": query.readonly})


def _set_readers(connection: Connection, query: Query, sql: str, ceilings: Mapping[str, float]) -> None:
    """What a reader has, or asked for of that; everything else is for the engine to refuse."""
    connection.set(reader.settings(query.settings, own_settings(sql), ceilings))
    connection.set({"readonly": query.readonly})
    connection.set({name: value for name, value in query.settings.items() if name not in CHANGEABLE})


def _fill(head: bytearray, body: Iterator[bytes], size: int) -> bool:
    """Read until ``head`` has ``size`` bytes; returns whether the body has ended."""
    for piece in body:
        head += piece
        if len(head) >= size:
            return False
    return True


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _format(sql: str, syntax: guard.Syntax) -> str | None:
    if syntax.kind == _SELECT:
        found = _TOP_FORMAT.search(syntax.tree)
        return found[1] if found else None
    return named_format(sql)


def _is_streamed(syntax: guard.Syntax, name: str) -> bool:
    return syntax.kind == _SELECT and (name in _BLOCKWISE or name == "ArrowStream")


def _insert(connection: Connection, insert: Insert, query: Query, data: Iterator[bytes], output: Output) -> None:
    connection.set({f"param_{name}": value for name, value in query.params.items()})
    done = connection.insert(insert, data)
    output.begin(
        None,
        _summary(written_rows=done.rows_written(), written_bytes=done.bytes_written(), elapsed=done.elapsed()),
    )


def _whole(connection: Connection, sql: str, name: str, query: Query, output: Output, has_columns: bool) -> None:
    result = connection.whole(sql, name, query.params)
    data = result.bytes()
    output.begin(name if data or has_columns else None, _summary_of(result))
    for at in range(0, len(data), MIB):
        output.write(data[at : at + MIB])


def _stream(connection: Connection, sql: str, name: str, query: Query, output: Output) -> None:
    # Closed here, in the thread of its connection: whoever else ends it later waits for the engine for good.
    with closing(connection.blocks(sql, name, query.params)) as blocks:
        first = next(blocks, None)
        if first is not None:
            output.begin(name, _summary_of(first))
            pieces = (block.bytes() for block in _chain(first, blocks))
            for piece in arrow.one_stream(pieces) if name == "ArrowStream" else pieces:
                output.write(piece)
            return
    _whole(connection, sql, name, query, output, has_columns=True)  # no block tells the columns


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _summary_of(result: Any) -> str:
    return _summary(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read(),
        result_bytes=result.bytes_read(),
        elapsed=result.elapsed(),
    )


def _summary(elapsed: float, **counts: int) -> str:
    """The header X-ClickHouse-Summary: numbers as text, as ClickHouse writes them."""
    zero = dict.fromkeys(("read_rows", "read_bytes", "written_rows", "written_bytes", "result_rows", "result_bytes"), 0)
    all_counts: Mapping[str, int] = {
        **zero,
        **counts,
        "total_rows_to_read": counts.get("read_rows", 0),
        "elapsed_ns": int(elapsed * 1e9),
    }
    return json.dumps({name: str(value) for name, value in all_counts.items()})
