"""The socket as a feed sees it, and the libraries that can provide it."""

from collections.abc import Mapping
from typing import Literal, Protocol

from k2_shared.feed.transport.inbox import Disconnected, SocketLimits
from k2_shared.feed.transport.picows_transport import PicowsTransport
from k2_shared.feed.transport.websockets_transport import WebsocketsTransport

__all__ = ["TRANSPORTS", "Disconnected", "Socket", "SocketLimits", "Transport", "TransportName"]

TransportName = Literal["websockets", "picows"]


class Socket(Protocol):
    """One open connection. Pings of the server are answered without being asked."""

    async def frames(self) -> list[bytes]:
        """Take all messages that have arrived, as bytes; waits for at least one, for one reader.

        Raises:
            Disconnected: the connection ended, and what it brought was taken.
        """

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            Disconnected: the connection ended.
        """

    async def ping(self, timeout_s: float) -> None:
        """Ping and wait for the pong; without one the connection ends, unless we were not reading ourselves.

        Raises:
            Disconnected: no pong within ``timeout_s``, or the connection ended.
        """

    async def close(self) -> None:
        """Send a Close and end, within ``close_timeout_s``; the frames that have arrived can still be taken."""

    def abort(self) -> None:
        """End the connection at once, without a Close."""


class Transport(Protocol):
    """Makes connections."""

    async def connect(self, url: str, limits: SocketLimits) -> Socket:
        """Open a connection.

        Raises:
            Disconnected: it could not be made.
        """


TRANSPORTS: Mapping[TransportName, Transport] = {"websockets": WebsocketsTransport(), "picows": PicowsTransport()}
"""By the name that the setting FEED_TRANSPORT says."""
