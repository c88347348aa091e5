"""Sockets by ``picows``, which reads frames in C."""

import asyncio
from typing import Any

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from k2_shared.feed.transport.inbox import Disconnected, Inbox, SocketLimits

_WHOLE = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})
_DATA = _WHOLE | {WSMsgType.CONTINUATION}


class PicowsTransport:
    """Connects by ``picows``."""

    async def connect(self, url: str, limits: SocketLimits) -> "PicowsSocket":
        """Open a connection, without compression.

        Raises:
            Disconnected: it could not be made.
        """
        try:
            async with asyncio.timeout(limits.open_timeout_s):
                transport, listener = await ws_connect(
                    lambda: _Listener(limits),
                    url,
                    websocket_handshake_timeout=limits.open_timeout_s,
                    max_frame_size=limits.max_frame_bytes,
                    read_buffer_init_size=64 * 1024,
                )
        except (OSError, TimeoutError, ValueError, WSError) as error:
            raise Disconnected(f"cannot connect to {url}: {error or type(error).__name__}") from error
        assert isinstance(listener, _Listener)  # noqa: S101  # the factory above made it
        return PicowsSocket(transport, listener, limits)


class PicowsSocket:
    """One connection."""

    def __init__(self, transport: WSTransport, listener: "_Listener", limits: SocketLimits) -> None:
        self._transport = transport
        self._listener = listener
        self.inbox = listener.inbox
        self._limits = limits
        self._pings = 0
        self._lost = asyncio.ensure_future(transport.wait_disconnected())
        self._lost.add_done_callback(lambda done: done.cancelled() or done.exception())  # the listener says it better
        self.frames = listener.inbox.take

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            Disconnected: the connection ended.
        """
        self.inbox.check()
        self._transport.send(WSMsgType.TEXT, text.encode())

    async def ping(self, timeout_s: float) -> None:
        """Ping and await the pong.

        Raises:
            Disconnected: there was none within ``timeout_s``, or the connection ended.
        """
        self.inbox.check()
        self._pings += 1
        payload = b"%d" % self._pings
        answer = self._listener.pongs[payload] = asyncio.get_running_loop().create_future()
        try:
            self._transport.send_ping(payload)
            await self.inbox.pong(answer, timeout_s)
        except Disconnected as error:
            self.inbox.end(str(error))
            self.abort()
            raise
        finally:
            self._listener.pongs.pop(payload, None)

    async def close(self) -> None:
        """Send a Close and end; the frames that the peer had sent before are read."""
        self.inbox.drain()
        if self.inbox.ended is None:
            self._listener.closing = True
            self._transport.send_close(WSCloseCode.OK)
        await asyncio.wait([self._lost], timeout=self._limits.close_timeout_s)
        self._transport.disconnect(graceful=False)
        self.inbox.end("closed by us")

    def abort(self) -> None:
        """End the connection at once, without a Close."""
        self._transport.disconnect(graceful=False)
        self.inbox.end("aborted")


class _Listener(WSListener):
    """Takes frames as ``picows`` reads them."""

    def __init__(self, limits: SocketLimits) -> None:
        self.inbox = Inbox(limits, self._pause, self._resume)
        self.pongs: dict[bytes, asyncio.Future[Any]] = {}
        self.closing = False
        self._most = limits.max_frame_bytes
        self._transport: WSTransport
        self._fragments: bytearray | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; what it points to is gone when this returns."""
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed upon")
        elif kind in _WHOLE and frame.fin and self._fragments is None:
            self._put(frame)
        elif kind in _DATA:
            self._gather(frame)
        else:
            self._obey(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The TCP connection is gone."""
        said = transport.close_handshake
        sent = said.sent if said else None
        self.inbox.end(_said(sent.code, sent.reason) if sent else "the connection was lost without a Close")

    def _put(self, frame: WSFrame) -> None:
        """Take a frame; after an error picows still delivers the one before it, which is good unless too big."""
        if frame.payload_size <= self._most:
            self.inbox.put(frame.get_payload_as_bytes())
        if self._transport.is_close_frame_sent and not self.closing:
            self.on_ws_disconnected(self._transport)

    def _gather(self, frame: WSFrame) -> None:
        fragments = self._fragments = self._fragments or bytearray()
        fragments += frame.get_payload_as_bytes()
        if len(fragments) > self._most:
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG, f"a message of more than {self._most} bytes")
        elif frame.fin:
            self._fragments = None
            self.inbox.put(bytes(fragments))

    def _obey(self, frame: WSFrame) -> None:
        """A Pong or a Close."""
        if frame.msg_type == WSMsgType.PONG:
            answer = self.pongs.get(frame.get_payload_as_bytes())
            if answer and not answer.done():
                answer.set_result(None)
        else:
            code = frame.get_close_code()
            self.inbox.end(f"closed by the peer: {_said(code, frame.get_close_reason())}")
            self._transport.send_close(code)
            self._transport.disconnect()

    def _refuse(self, code: WSCloseCode, reason: str) -> None:
        self.inbox.end(_said(code, reason))
        self._transport.send_close(code, reason.encode())
        self._transport.disconnect()

    def _pause(self) -> None:
        self._transport.underlying_transport.pause_reading()

    def _resume(self) -> None:
        if not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()


def _said(code: Any, reason: str | None) -> str:
    """A Close frame's code and reason as text."""
    return f"{int(code)} {reason or '(no reason given)'}"
