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
        """All messages that have arrived since, at least one, as the bytes that came; for one reader.

        Raises:
            Disconnected: the connection ended, and what it brought was taken.
        """

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            Disconnected: the connection ended.
        """

    async def ping(self, timeout_s: float) -> None:
        """Ping and await the pong; without one the connection is over. A peer that we do not read is not judged.

        Raises:
            Disconnected: no pong within ``timeout_s``, or the connection ended.
        """

    async def close(self) -> None:
        """Say goodbye and end, within the limits' time; what has arrived can still be taken."""

    def abort(self) -> None:
        """End at once."""


class Transport(Protocol):
    """Makes connections."""

    async def connect(self, url: str, limits: SocketLimits) -> Socket:
        """Open a connection.

        Raises:
            Disconnected: it could not be made.
        """


TRANSPORTS: Mapping[TransportName, Transport] = {"websockets": WebsocketsTransport(), "picows": PicowsTransport()}
"""By the name that the setting FEED_TRANSPORT says."""
