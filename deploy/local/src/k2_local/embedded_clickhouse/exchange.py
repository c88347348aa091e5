"""One request and its answer, as the thread that runs the query sees them: reads and writes that block."""

import asyncio
import secrets
from collections.abc import Coroutine, Iterator
from typing import Any

from aiohttp import web

from k2_local.embedded_clickhouse.compression import decoded, encoder
from k2_local.embedded_clickhouse.connection import Engine
from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.limits import Limits
from k2_local.embedded_clickhouse.query import Query

_CONTENT_TYPES = {
    "ArrowStream": "application/vnd.apache.arrow.stream",
    "Arrow": "application/vnd.apache.arrow.file",
    "Parquet": "application/vnd.apache.parquet",
    "CSV": "text/csv; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
}


_SMALL = 64 * 1024


class Exchange:
    """See the module; ``finish`` and ``break_off`` belong to the event loop, the rest to the query's thread."""

    def __init__(self, request: web.Request, query: Query, engine: Engine, limits: Limits) -> None:
        self._request, self._query, self._engine, self._limits = request, query, engine, limits
        self._loop = asyncio.get_running_loop()
        self._encoding, self._encoder = encoder(query.accepted)
        self._tag = secrets.token_hex(8)
        self._early = b""
        self.answer: web.StreamResponse | None = None
        """The answer, once it has begun."""

    async def small_body(self) -> bytes:
        """The body as it came, if it is known to be small: it is awaited before its query has a place."""
        if (self._request.content_length or 0) > _SMALL or not self._request.content_length:
            return b""
        while len(self._early) < self._request.content_length and (piece := await self._next()):
            self._early += piece
        return self._early

    def body(self) -> Iterator[bytes]:
        """The request's body, decompressed; raises QueryError if it is too large, broken, or does not come."""
        size = 0
        for piece in decoded(self._received(), self._query.encoding):
            size += len(piece)
            if size > self._limits.body:
                raise _too_large(self._limits)
            yield piece

    def _received(self) -> Iterator[bytes]:
        if self._early:
            yield self._early
        while piece := self._call(self._next()):
            yield piece

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.body_idle_s):
                return await self._request.content.readany()
        except TimeoutError:
            idle = f"no byte of the body came for {self._limits.body_idle_s:g} s"
            raise QueryError.of(Code.SOCKET_TIMEOUT, idle) from None
        except web.HTTPRequestEntityTooLarge:
            raise _too_large(self._limits) from None

    def begin(self, result_format: str | None, summary: str) -> None:
        """See ``Output``."""
        headers = {
            **base_headers(self._engine, self._query.id),
            "Content-Type": _CONTENT_TYPES.get(result_format or "", "text/plain; charset=UTF-8"),
            "X-ClickHouse-Summary": summary,
            "X-ClickHouse-Exception-Tag": self._tag,
        }
        if result_format:
            headers["X-ClickHouse-Format"] = result_format
        if self._encoding:
            headers["Content-Encoding"] = self._encoding
        answer = web.StreamResponse(status=200, headers=headers)
        self._call(answer.prepare(self._request))
        self.answer = answer

    def write(self, data: bytes) -> None:
        """See ``Output``."""
        self._send(self._encoder.compress(data))

    def end(self) -> None:
        """Send what compression held back; raises OSError if the client is gone."""
        self._send(self._encoder.flush())

    def _send(self, data: bytes) -> None:
        if data and self.answer is not None:
            self._call(self.answer.write(data))

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def break_off(self, error: QueryError) -> None:
        """Tell an error after a part of the answer went out, as ClickHouse does; the answer has no end then."""
        text = f"{error} (version {self._engine.version})\n".encode()
        block = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n"
        tag = self._tag.encode()
        if self.answer is not None:
            await self.answer.write(self._encoder.compress(block % (tag, text, len(text), tag)) + self._encoder.flush())
        if self._request.transport is not None:
            self._request.transport.close()


def base_headers(engine: Engine, query_id: str) -> dict[str, str]:
    """What every answer to a query has."""
    return {
        "X-ClickHouse-Server-Display-Name": engine.host,
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Timezone": engine.timezone,
    }


def _too_large(limits: Limits) -> QueryError:
    return QueryError.of(
        Code.QUERY_IS_TOO_LARGE, f"the body is larger than {limits.body} bytes: send it in several inserts"
    )
