"""The warm tier as its reader sees it: queries, and their results block by block. Blocks."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from clickhouse_connect.common import set_setting
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.ctypes import RespBuffCls
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.query import QueryContext, QueryResult, remove_sql_comments
from clickhouse_connect.driver.transform import NativeTransform
from clickhouse_connect.driver.types import ByteSource
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from k2.sql.limits import QueryLimits
from k2.sql.refusals import refusals, refused_format
from k2_shared.core.settings import ClickHouseReaderSettings, ClickHouseSettings, PrefixSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import connect, database

_FORMAT = "Native"
# Times and dates as numbers, which have every digit; text as bytes, which need not be UTF-8.
_READ_AS = {"DateTime*": "int", "Date*": "int", "*String": "bytes", "IPv*": "string", "UUID": "string"}
_PIECE = 1_048_576
_MARGIN_S = 15  # beyond the server's own limit, for its refusal to come

Block = Sequence[Sequence[Any]]
"""Columns of one length, in the order of the result's."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result."""

    name: str
    kind: ClickHouseType


@dataclass(frozen=True, slots=True)
class Result:
    """A query's result: its columns, and its rows in blocks that are not empty, which come as they are taken."""

    columns: Sequence[Column]
    blocks: Iterator[Block]
    has_rows: bool


@dataclass(frozen=True)
class WarmReader:
    """A client that only reads, with the limits of its queries."""

    client: Client
    settings: ClickHouseSettings
    limits: QueryLimits

    @contextmanager
    def result(self, sql: str, parameters: Mapping[str, Any] | None = None, **options: int) -> Iterator[Result]:
        """Run a query for the length of the block; one that is not at its end then is cancelled.

        ``options`` are settings of this query alone.

        Raises:
            K2Error: it was refused or it failed, perhaps after some of its blocks; see ``refusals``.
        """
        wanted = {**self.limits.settings(self.client.server_settings), **options}
        with refusals(self.settings):
            answer = self.client.raw_stream(
                sql, dict(parameters or {}), wanted, transport_settings={"X-ClickHouse-Format": _FORMAT}
            )
        response = cast("HTTPResponse", answer)  # which it is over HTTP
        with closing(response):
            refused_format(response.headers.get("X-ClickHouse-Format", _FORMAT), _FORMAT)
            with refusals(self.settings):
                found = _parsed(response)
                columns = list(map(Column, found.column_names, found.column_types)) or self._described(sql, parameters)
            with closing(self._blocks(found)) as blocks:
                first = next(blocks, None)
                yield Result(columns, blocks if first is None else chain([first], blocks), first is not None)

    def _blocks(self, found: QueryResult) -> Generator[Block]:
        # Not in the client's context of a stream, which does the same; whoever ends this closes the response.
        stream = cast("Iterator[Block]", found.column_block_stream.gen)
        while True:
            with refusals(self.settings):
                block = next(stream, None)
            if block is None:
                return
            if len(block[0]):
                yield block

    def _described(self, sql: str, parameters: Mapping[str, Any] | None) -> Sequence[Column]:
        """The columns of a query without rows, of which no block tells them; none where it is no SELECT."""
        inner = remove_sql_comments(sql).rstrip("; \t\r\n")
        try:
            rows = self.client.query(f"DESCRIBE TABLE ({inner})", dict(parameters or {})).result_rows
        except DatabaseError:
            return []
        return [Column(name, get_from_name(kind)) for name, kind, *_ in rows]


@dataclass(frozen=True)
class _Source:
    """What the client parses. Its own kind of it reads what is left of an answer, to its end, before it closes it."""

    response: HTTPResponse
    gen: Iterator[bytes]
    exception_tag: str | None

    def close(self) -> None:
        self.response.close()


def _parsed(response: HTTPResponse) -> QueryResult:
    source = _Source(response, _pieces(response), response.headers.get("X-ClickHouse-Exception-Tag"))
    context = QueryContext(query_formats=_READ_AS, column_oriented=True)
    buffer = cast("ByteSource", RespBuffCls(source))  # type: ignore[no-untyped-call]  # it is of C
    return cast("QueryResult", NativeTransform.parse_response(buffer, context))


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(_PIECE)
    except HTTPError as error:
        raise OperationalError(f"the answer broke off: {error}") from error


@contextmanager
def warm_reader(limits: QueryLimits) -> Iterator[WarmReader]:
    """A reader of this run's database for the length of the block, by the environment.

    Raises:
        Unavailable: no server answered.
        ConfigError: a setting or a limit is wrong, or the server refuses the user.
    """
    found = ClickHouseReaderSettings.load().as_reader()
    patience = {"clickhouse_timeout_s": max(found.clickhouse_timeout_s, limits.longest_s + _MARGIN_S)}
    settings = found.model_copy(update=patience)
    set_setting("invalid_setting_action", "send")  # which settings may be changed is for the server to say
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # what fails is told by who asked
    names = Names(PrefixSettings.load().k2_prefix)
    with closing(connect(settings, database(settings, names), show_clickhouse_errors="scrub")) as client:
        yield WarmReader(client, settings, limits)
