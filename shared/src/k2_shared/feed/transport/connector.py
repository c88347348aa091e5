"""Makes the connections of a feed, each subscribed to every captured symbol, and knows those that are open."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.transport.connection import Connection, Sink
from k2_shared.feed.transport.transport import SocketLimits, Transport
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue


@dataclass
class Connector:
    """Opens connections to one venue. ``names`` are the captured symbols, which may change at any time.

    ``reserve`` waits until the venue's budget allows one more attempt, and notes it durably before.
    """

    settings: FeedSettings
    venue: Venue
    transport: Transport
    sink: Sink
    names: Mapping[str, str]
    tracker: SymbolTracker
    reserve: Callable[[], Awaitable[None]]
    connections: set[Connection] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        """Whether some connection carries all that the venue gives."""
        return any(connection.complete for connection in self.connections)

    @property
    def confirmed(self) -> set[str]:
        """The captured symbols that some connection carries."""
        return set[str]().union(*(connection.confirmed for connection in self.connections)) & self.names.keys()

    async def connect(self, url: str) -> Connection:
        """Open a connection and subscribe it to every captured symbol; waits for the venue's budget.

        Raises:
            Disconnected, TimeoutError: it could not be made.
            Unavailable: Kafka did not take the attempt.
        """
        await self.reserve()
        async with asyncio.timeout(2 * self.settings.feed_ack_timeout_s):
            socket = await self.transport.connect(url, self._limits())
            protocol = self.venue.protocol(self.names)
            connection = Connection(socket, url, protocol, self.sink, self.settings, self.venue)
            try:
                await self._agree(connection)
            except BaseException:
                socket.abort()
                raise
        self.connections.add(connection)
        return connection

    def left(self, connection: Connection, cause: Cause) -> None:
        """Drop a connection that has ended; a gap that follows has that cause."""
        self.connections.discard(connection)
        self.tracker.expect(cause, self.names)

    def _limits(self) -> SocketLimits:
        settings = self.settings
        return SocketLimits(max_frame_bytes=settings.feed_max_frame_bytes, open_timeout_s=settings.feed_ack_timeout_s)

    async def _agree(self, connection: Connection) -> None:
        """Subscribe to what is captured, also if that changes meanwhile."""
        while connection.asked != self.names.keys():
            await connection.subscribe(sorted(self.names.keys() - connection.asked))
            surplus = sorted(connection.asked - self.names.keys())
            if surplus:
                await connection.unsubscribe(surplus)
