"""Sockets by ``websockets``, which reads what is special; ordinary frames are cut from the stream right here.

Its parser is a generator that takes about 8 µs a frame. A whole, unfragmented data frame of an open connection needs
none of it (RFC 6455, section 5.2); everything else reaches it, whole, in its order.
"""

import asyncio
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import State

from k2_shared.feed.transport.inbox import Disconnected, Inbox, SocketLimits

_WHOLE = (0x81, 0x82)  # FIN and the opcode of text or binary, no reserved bit
_SIZE_16, _SIZE_64 = 126, 127


class WebsocketsTransport:
    """Connects by ``websockets``."""

    async def connect(self, url: str, limits: SocketLimits) -> "WebsocketsSocket":
        """Open a connection, without compression.

        Raises:
            Disconnected: it could not be made.
        """
        try:
            connection = await connect(
                url,
                create_connection=partial(_Connection, limits=limits),  # type: ignore[arg-type]  # called, no more
                ping_interval=None,
                open_timeout=limits.open_timeout_s,
                close_timeout=limits.close_timeout_s,
                max_size=limits.max_frame_bytes,
                max_queue=None,  # ours is the inbox
                compression=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Disconnected(f"cannot connect to {url}: {error or type(error).__name__}") from error
        assert isinstance(connection, _Connection)  # noqa: S101  # says the line above
        return WebsocketsSocket(connection)


class WebsocketsSocket:
    """One connection."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self.inbox = connection.inbox
        self.frames = connection.inbox.take

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            Disconnected: the connection ended.
        """
        self.inbox.check()
        try:
            await self._connection.send(text)
        except (OSError, WebSocketException) as error:
            self.inbox.end(str(error))
            self.inbox.check()

    async def ping(self, timeout_s: float) -> None:
        """Ping and await the pong.

        Raises:
            Disconnected: there was none within ``timeout_s``, or the connection ended.
        """
        self.inbox.check()
        try:
            answer = await self._connection.ping()
            await self.inbox.pong(asyncio.ensure_future(answer), timeout_s)
        except (Disconnected, OSError, WebSocketException) as error:
            self.inbox.end(str(error))
            self.abort()
            self.inbox.check()

    async def close(self) -> None:
        """Send a Close and end; the frames that the peer had sent before are read."""
        self.inbox.drain()
        await self._connection.close()
        self.inbox.end("closed by us")

    def abort(self) -> None:
        """End the connection at once, without a Close."""
        self._connection.transport.abort()
        self.inbox.end("aborted")


class _Connection(ClientConnection):
    """A connection of ``websockets`` whose ordinary frames bypass its parser and its queue."""

    def __init__(self, protocol: Any, *, limits: SocketLimits, **settings: Any) -> None:
        super().__init__(protocol, **settings)
        self.inbox = Inbox(limits, lambda: self.transport.pause_reading(), lambda: self.transport.resume_reading())
        self._most = limits.max_frame_bytes
        self._rest = bytearray()
        self._needed = 2
        self._fragments: bytearray | None = None

    def data_received(self, data: bytes) -> None:
        """Cut frames from the stream; the handshake goes line by line, for frames may follow in the same segment."""
        while data and self.protocol.state is State.CONNECTING:
            line, end, data = data.partition(b"\n")
            super().data_received(line + end)
        if self._has_ended:
            super().data_received(data)
        elif not self._rest:
            self._rest += data[self._cut(data) :]
        else:
            self._rest += data
            if len(self._rest) >= self._needed:
                whole = bytes(self._rest)
                del self._rest[: self._cut(whole)]

    def process_event(self, event: Any) -> None:
        """Take data frames that came by the parser of ``websockets``: fragments."""
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        fragments = self._fragments = self._fragments or bytearray()
        fragments += event.data
        if event.fin:
            self._fragments = None
            self.inbox.put(bytes(fragments))

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        super().connection_lost(exc)
        self.inbox.end(str(self.protocol.close_exc if exc is None else exc))

    @property
    def _has_ended(self) -> bool:
        """Whether no more frames will come: the peer has sent its Close, or broken the protocol."""
        protocol = self.protocol
        return protocol.state is State.CLOSED or bool(protocol.close_rcvd or protocol.parser_exc)

    def _cut(self, data: bytes) -> int:
        """Take all whole frames; returns where the incomplete rest begins, and notes how many bytes that needs."""
        put, position, size = self.inbox.put, 0, len(data)
        while size - position >= 2:
            length, start = data[position + 1], position + 2
            if length >= _SIZE_16:
                start += 2 if length == _SIZE_16 else 8
                if start > size:
                    break
                length = int.from_bytes(data[position + 2 : start], "big") if length <= _SIZE_64 else self._most + 1
            end = start + length
            if length > self._most:
                self._parse(data[position:])  # it says what is wrong with it
                return size
            if end > size:
                self._needed = end - position
                return position
            if data[position] in _WHOLE and self._fragments is None:
                put(data[start:end])
            else:
                self._parse(data[position:end])
                if self._has_ended:
                    return size
            position = end
        self._needed = 2
        return position

    def _parse(self, data: bytes) -> None:
        """Give frames to ``websockets``; after a Close or an error of the protocol it takes no more."""
        super().data_received(data)
        if self._has_ended:
            said = self.protocol.parser_exc or self.protocol.close_rcvd
            self.inbox.end(f"closed by the peer: {said}" if self.protocol.close_rcvd else str(said))
