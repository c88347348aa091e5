"""A TCP proxy before a broker that loses, delays or truncates chosen replies, and brings chosen requests too late.

It knows frames, not messages: a request is length, api key, version, correlation id; a reply is length, correlation
id. Metadata and FindCoordinator replies are rewritten so that clients stay behind the proxy.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.apis import FIND_COORDINATOR, METADATA
from tests.faults.held_request import HeldRequest

Action = Literal["drop", "delay", "truncate", "loading"]

Change = Callable[[bytes], bytes]

HOST = "127.0.0.1"
_LENGTH, _REQUEST, _REPLY = struct.Struct(">i"), struct.Struct(">hhi"), struct.Struct(">i")
# What a coordinator that is loading answers to OffsetFetch 3: throttled for 0 ms, no topics, error 14 for the group.
_LOADING = struct.pack(">iih", 0, 0, 14)
_LARGEST_FRAME = 128 * 1024 * 1024


@dataclass
class Injection:
    """What to do with the next replies of one API; ``loading`` is for OffsetFetch alone.

    ``done`` says to how many it was done, ``felt`` how many of those have had their effect: the reply came late, or
    the client gave up its connection.
    """

    api: int
    action: Action
    times: int = 1
    delay_s: float = 0.0
    done: int = 0
    felt: int = 0


@dataclass
class _Connection:
    """One client's connection and the requests that wait for their replies."""

    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    waiting: dict[int, int] = field(default_factory=dict)
    broken_by: Injection | None = None
    silent: bool = False


class Proxy:
    """Listens on a port of its own; ``broker_port`` is where the broker listens and what it advertises."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._injections: list[Injection] = []
        self._holds: list[HeldRequest] = []
        self._changes: dict[int, Change] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._cut = False
        self.port = 0

    @property
    def address(self) -> str:
        """What a client is given as its broker."""
        return f"{HOST}:{self.port}"

    def inject(self, api: int, action: Action, times: int = 1, delay_s: float = 0.0) -> Injection:
        """Do something to the next replies of an API."""
        self._injections.append(Injection(api, action, times, delay_s))
        return self._injections[-1]

    def hold(self, api: int, before: int | None = None, *, quiet: bool = False, last: bool = False) -> HeldRequest:
        """Keep the next transactional request of an API from the broker, until ``before`` or until it is released.

        Its connection is cut at once; where it is ``quiet``, it stays open and says nothing until the client gives up.
        """
        self._holds.append(HeldRequest(api, before, quiet, last, self._broker_port))
        return self._holds[-1]

    def change(self, api: int, change: Change) -> None:
        """Change every request of an API, so that the broker behind is one that answers otherwise."""
        self._changes[api] = change

    def clear(self) -> None:
        """Pass everything on again; what is held is lost."""
        self._injections.clear()
        self._holds.clear()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Break every connection, and every new one, for the length of a block: the broker cannot be reached."""
        self._cut = True
        for task in self._connections:
            task.cancel()
        try:
            yield
        finally:
            self._cut = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        """Serve for the length of the block."""
        server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_broker, broker = await asyncio.open_connection(HOST, self._broker_port)
        except OSError:
            client.close()
            return
        connection = _Connection(client, broker)
        pumps = [
            asyncio.create_task(self._requests(from_client, connection)),
            asyncio.create_task(self._replies(from_broker, connection)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(pumps, connection)

    async def _requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        async for frame in _frames(reader):
            api, _version, correlation = _REQUEST.unpack_from(frame)
            if stopping := [held for held in self._holds if not await held.passes(api, frame)]:
                await _lost(reader, quiet=stopping[0].quiet)
                return
            connection.waiting[correlation] = api
            await _send(connection.broker, self._changes.get(api, _unchanged)(frame))

    async def _replies(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        async for frame in _frames(reader):
            api = connection.waiting.pop(_REPLY.unpack_from(frame)[0])
            await self._reply(connection, api, self._behind_us(api, frame))

    async def _reply(self, connection: _Connection, api: int, frame: bytes) -> None:
        if connection.silent:
            return
        injection = self._due(api)
        match injection.action if injection else None:
            case "truncate":
                connection.broken_by = injection
                connection.client.write(_LENGTH.pack(len(frame)) + frame[: len(frame) // 2])
                raise ConnectionAbortedError("the connection broke within a reply")
            case "drop":
                # A stream cannot lose one reply and carry the next: it stays open and says nothing more.
                connection.broken_by, connection.silent = injection, True
                return
            case "delay" if injection:
                await asyncio.sleep(injection.delay_s)
                injection.felt += 1
            case "loading" if injection:
                frame = frame[: _REPLY.size] + _LOADING
                injection.felt += 1
        await _send(connection.client, frame)

    def _due(self, api: int) -> Injection | None:
        due = next((i for i in self._injections if i.api == api and i.done < i.times), None)
        if due:
            due.done += 1
        return due

    def _behind_us(self, api: int, frame: bytes) -> bytes:
        """A reply that names the broker's address, with ours instead: a string, and the port as 32 bits."""
        if api not in (METADATA, FIND_COORDINATOR):
            return frame
        host = HOST.encode()
        return frame.replace(host + _LENGTH.pack(self._broker_port), host + _LENGTH.pack(self.port))


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole frames until the connection ends."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if not 0 < length <= _LARGEST_FRAME:
                return
            yield await reader.readexactly(length)


def _unchanged(frame: bytes) -> bytes:
    return frame


async def _lost(reader: asyncio.StreamReader, *, quiet: bool) -> None:
    """What comes behind a held request: all of it is lost, until the client gives up where nobody tells it."""
    if quiet:
        async for _ in _frames(reader):
            pass


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(_LENGTH.pack(len(frame)) + frame)
    await writer.drain()


async def _end(pumps: list["asyncio.Task[None]"], connection: _Connection) -> None:
    """Close both sides; what was written before goes out."""
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    if connection.broken_by:
        connection.broken_by.felt += 1
    for writer in (connection.client, connection.broker):
        writer.close()
