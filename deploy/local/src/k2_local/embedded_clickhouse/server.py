"""ClickHouse's HTTP interface: /, /ping; a thread for each query that runs."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from aiohttp import web

from k2_local.embedded_clickhouse.accounts import Account, authenticated
from k2_local.embedded_clickhouse.admission import Admission
from k2_local.embedded_clickhouse.connection import Engine
from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.exchange import Exchange, base_headers
from k2_local.embedded_clickhouse.execution import Executor
from k2_local.embedded_clickhouse.limits import MIB, Limits
from k2_local.embedded_clickhouse.query import Query, read
from k2_local.embedded_clickhouse.running import Running
from k2_local.embedded_clickhouse.sessions import Sessions
from k2_shared.core.logs import logger

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_KILL_AGAIN_S = 0.2  # a query that is about to reach the engine cannot be cancelled before it has


class Server:
    """One engine behind HTTP."""

    def __init__(self, engine: Engine, accounts: Sequence[Account], limits: Limits) -> None:
        self._engine, self._accounts, self._limits = engine, accounts, limits
        self._admission = Admission(limits)
        self._running = Running(engine)
        self._sessions = Sessions(engine, limits)
        self._executor = Executor(engine, self._sessions, self._running, limits)
        self._threads = ThreadPoolExecutor(limits.concurrent, "query")
        self._killers = ThreadPoolExecutor(2, "kill")
        self._queries: set[asyncio.Future[None]] = set()

    def app(self) -> web.Application:
        """The web application; its cleanup cancels what runs and ends the threads, and leaves the engine open."""
        app = web.Application(client_max_size=self._limits.query_text + MIB)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/replicas_status", _ok)
        app.router.add_route("GET", "/", self._answer)
        app.router.add_route("POST", "/", self._answer)
        app.on_cleanup.append(self._close)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and not request.query:
            return await _ok(request)
        given = dict(request.query)
        exchange = query = None
        try:
            account = authenticated(self._accounts, request.headers, given)
            given |= await _form(request)
            query = read(account, request.method, given, request.headers, self._limits)
            exchange = Exchange(request, query, self._engine, self._limits)
            with self._running.registered(query.id):
                await self._admit(query, exchange, await exchange.small_body())
        except QueryError as error:
            if exchange is None or exchange.answer is None:
                return self._failure(error, query)
            await exchange.break_off(error)
        except OSError:
            logger().debug("client_gone", query_id=query.id if query else "")
        if exchange is None or exchange.answer is None:
            return self._failure(QueryError.of(Code.QUERY_WAS_CANCELLED, "Query was cancelled"), query)
        return exchange.answer

    async def _admit(self, query: Query, exchange: Exchange, body: bytes) -> None:
        """Run a query when it has its place; KILL QUERY needs none."""
        if self._running.is_kill(query.text or body.decode(errors="replace")):
            await self._run(query, exchange, self._killers)
            return
        async with self._admission.place():
            await self._run(query, exchange, self._threads)

    async def _run(self, query: Query, exchange: Exchange, threads: ThreadPoolExecutor) -> None:
        """Run a query in a thread, and wait for its end even if the client goes: it is cancelled then."""
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(threads, self._work, query, exchange)
        self._queries.add(ended)
        ended.add_done_callback(self._queries.discard)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            killing = asyncio.create_task(self._kill(query.id, ended))
            while not killing.done():
                with suppress(asyncio.CancelledError):  # a stop cancels twice: itself, and as the connection is closed
                    await asyncio.shield(killing)
            raise

    async def _kill(self, query_id: str, ended: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        while not ended.done():
            with suppress(QueryError):  # an engine without memory refuses this too; it is asked again
                await loop.run_in_executor(self._killers, self._running.kill, query_id)
            await asyncio.wait([ended], timeout=_KILL_AGAIN_S)

    def _work(self, query: Query, exchange: Exchange) -> None:
        self._executor.run(query, exchange.body(), exchange)
        exchange.end()

    def _failure(self, error: QueryError, query: Query | None) -> web.Response:
        headers = {
            **base_headers(self._engine, query.id if query else ""),
            "X-ClickHouse-Exception-Code": str(error.code),
        }
        text = str(error) if "(version " in str(error) else f"{error} (version {self._engine.version})"
        return web.Response(status=error.status, text=f"{text}\n", headers=headers)

    async def _close(self, _app: web.Application) -> None:
        if self._queries:  # whose requests aiohttp has cancelled, and does not wait for
            await asyncio.wait(self._queries)
        self._threads.shutdown(wait=True)
        self._killers.shutdown(wait=True)
        self._sessions.close()


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a body that is a form.

    Raises:
        QueryError: a field is a file, or they are too large.
    """
    if request.content_type not in _FORMS:
        return {}
    try:
        fields = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise QueryError.of(Code.QUERY_IS_TOO_LARGE, "the form is too large") from None
    if files := [name for name, value in fields.items() if not isinstance(value, str)]:
        raise QueryError.of(Code.NOT_IMPLEMENTED, f"external data is not supported: {', '.join(files)}")
    return {name: str(value) for name, value in fields.items()}
