"""What comes through the sockets, to Kafka: the data path of a feed, and what its slots need."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.origin import Origin
from k2_shared.core.telemetry import Metrics, logger
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.coverage import Settled
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.ledger import Cause, EventKind, EventRecord, now_us
from k2_shared.feed.coverage.silent import Silent
from k2_shared.feed.coverage.store import Store
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.run.book import Book
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.transport import SocketLimits, Transport
from k2_shared.feed.venue.budget import Attempts
from k2_shared.feed.venue.protocol import OTHER, Event, Notice, Refused, TradesReceived, Unreadable
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue

REFUSED = "feed_frame_refused"
UNKNOWN = "feed_frame_unknown"
_KINDS_MAX, _KIND_CHARACTERS, _FRAME_CHARACTERS = 100, 40, 200
_EVENT = "feed_event"
_WORDS = {"pong": "ping", "silence": "silence", "not confirmed": "subscription", "refused": "refused", "stale": "stale"}


@dataclass
class Capture:
    """One run from what is durable to the end, or to the first failure of Kafka."""

    settings: FeedSettings
    venue: Venue
    metrics: Metrics
    transport: Transport
    publisher: Publisher
    store: Store
    history: RestHistory
    book: Book
    gap_log: GapLog
    attempts: Attempts
    names: dict[str, str]  # canonical symbol to the venue's name: what is captured
    connections: set[Connection] = field(default_factory=set)
    trial: set[str] = field(default_factory=set)  # symbols that were added, and that no socket has confirmed yet
    refusals: dict[str, str] = field(default_factory=dict)  # the venue's last words about a symbol, until it is carried
    unknown: set[str] = field(default_factory=set)  # kinds of frames that were told of
    kinds: Counter[str] = field(default_factory=Counter)
    silent: Silent = field(default_factory=Silent)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)  # set where a checkpoint must not wait
    sample: tuple[int, int] | None = None  # exchange time in µs and receipt in ns of a recent trade

    @property
    def limits(self) -> SocketLimits:
        """The bounds of every socket."""
        return SocketLimits(
            max_frame_bytes=self.settings.feed_max_frame_bytes, open_timeout_s=self.settings.feed_ack_timeout_s
        )

    @property
    def alive(self) -> bool:
        """Whether some connection carries all that the venue gives."""
        return any(connection.complete for connection in self.connections)

    @property
    def confirmed(self) -> set[str]:
        """The symbols that some connection carries."""
        return set[str]().union(*(connection.confirmed for connection in self.connections)) & self.names.keys()

    def highs(self) -> Mapping[str, int]:
        """The highest id of each symbol."""
        return {symbol: series.coverage.high for symbol, series in self.book.series.items()}

    # what a connection needs

    def take(self, connection: Connection, frame: bytes, event: Event, origin: Origin) -> None:
        """Publish what a frame brings."""
        if type(event) is TradesReceived:
            self._take_trades(connection, frame, event, origin)
            return
        self.kinds[event.kind if isinstance(event, Notice) else type(event).__name__] += 1
        if isinstance(event, Notice) and event.kind == OTHER:
            self._tell_unknown(event.detail[:_KIND_CHARACTERS], frame)
        if isinstance(event, Unreadable):
            error = InvalidRecord("unreadable_frame", event.detail)
            self.publisher.quarantine(frame, self.venue.exchange.encode(), error, origin)
            self._count_refused(error)

    def _tell_unknown(self, kind: str, frame: bytes) -> None:
        """Log a kind of frame that no protocol knows, once."""
        if kind not in self.unknown and len(self.unknown) < _KINDS_MAX:
            self.unknown.add(kind)
            logger().warning(UNKNOWN, kind=kind, frame=frame[:_FRAME_CHARACTERS].decode(errors="replace"))

    def _take_trades(self, connection: Connection, frame: bytes, event: TradesReceived, origin: Origin) -> None:
        trades, book = event.trades, self.book
        published = book.take(trades, connection.id)
        last = trades[-1]
        connection.last[last.symbol] = last.trade_id
        self.sample = (last.timestamp, origin.received_ns)
        if published:
            self.publish(frame, published, origin)
        if book.stopped:
            stopped, book.stopped = book.stopped[0], []
            error = InvalidRecord("id_reset", f"{stopped.message_id} does not continue the ids of {stopped.symbol}")
            self.publisher.quarantine(frame, stopped.key, error, origin)
            self._count_refused(error)

    def publish(self, frame: bytes, trades: Sequence[Trade], origin: Origin) -> None:
        """A frame and its trades to Kafka; what V3 cannot hold goes to the dead letters, whole."""
        for error in self.publisher.frame(frame, trades, origin):
            self._count_refused(error)

    async def room(self) -> None:
        """Wait until Kafka has taken enough of what was published."""
        await self.publisher.backlog.wait_for_capacity()

    def refused(self, refusal: Refused) -> None:
        """Make a refusal known; a symbol on trial is left, unless it may be granted in a while."""
        symbol = refusal.symbol
        if symbol in self.trial and not refusal.transient:
            self.tell(EventKind.REJECTED, refusal.message, symbol)
            self.forget(symbol)
        elif not symbol or symbol in self.names:
            self.tell(EventKind.REFUSED, refusal.message, symbol)
            self.refusals[symbol] = refusal.message

    def forget(self, symbol: str) -> None:
        """Leave a symbol; nothing speaks of it any more."""
        self.close_ledger(symbol)
        self.gap_log.forget(symbol)
        self.metrics.last_record.remove(self.venue.exchange, symbol)
        self.names.pop(symbol, None)
        self.trial.discard(symbol)
        self.refusals.pop(symbol, None)
        self.book.drop(symbol)
        self.publisher.put(self.store.forgotten(symbol))

    def close_ledger(self, symbol: str) -> None:
        """End a series: what is missing of it will not be asked for any more."""
        series = self.book.series.get(symbol)
        if series:
            settled, series.settled = series.settled, []
            self.gap_log.filled(symbol, settled)
            gaps = series.coverage.gaps
            self.gap_log.unfillable(symbol, [Settled(gap, gap.first, gap.last) for gap in gaps])

    def _count_refused(self, error: InvalidRecord) -> None:
        self.metrics.rejected.labels(error.reason).inc()
        logger().warning(REFUSED, reason=error.reason, detail=error.detail)

    # what a slot needs

    async def connect(self, url: str) -> Connection:
        """A new connection, subscribed to every symbol; the attempt is durable before it is made."""
        wait_s = self.attempts.reserve()
        self.publisher.put(self.store.attempts(self.attempts.made))
        await self.publisher.flush()
        await asyncio.sleep(wait_s)
        async with asyncio.timeout(2 * self.settings.feed_ack_timeout_s):
            socket = await self.transport.connect(url, self.limits)
            protocol = self.venue.protocol(self.names)
            connection = Connection(socket, url, protocol, self, self.settings, self.venue)
            try:
                await self._agree(connection)
            except BaseException:
                socket.abort()
                raise
        self.connections.add(connection)
        self.tell(EventKind.CONNECTED, url)
        return connection

    async def _agree(self, connection: Connection) -> None:
        """Subscribe to what is captured, also if that changes meanwhile."""
        while connection.asked != self.names.keys():
            await connection.subscribe(sorted(self.names.keys() - connection.asked))
            surplus = sorted(connection.asked - self.names.keys())
            if surplus:
                await connection.unsubscribe(surplus)

    def left(self, connection: Connection, cause: Cause) -> None:
        """It does not any more."""
        self.connections.discard(connection)
        self.book.expect(cause, self.names)

    async def quiet(self, symbols: set[str]) -> set[str]:
        """Those of which REST shows nothing newer than what was captured; one without any trade so far misses none."""
        found = {symbol for symbol in symbols & self.names.keys() if not self.book.series[symbol].coverage.begun}
        for symbol in sorted(symbols & self.names.keys() - found):
            try:
                newest = (await self.history.newest(symbol)).trades
            except Unavailable:
                return found
            series = self.book.series.get(symbol)  # it may have been removed meanwhile
            if series is None or not newest or newest[-1].trade_id <= series.coverage.high:
                found.add(symbol)
        return found

    async def recovered(self) -> None:
        """Wait until there is room again."""
        await self.publisher.backlog.outlast_congestion()

    def lost(self, reason: Exception) -> None:
        """Count the end of a connection."""
        exchange = self.venue.exchange
        self.metrics.reconnects.labels(exchange).inc()
        self.metrics.feed.peer_lost.labels(exchange, _word(str(reason))).inc()
        self.tell(EventKind.DISCONNECTED, str(reason) or type(reason).__name__)

    def rotated(self, outcome: str) -> None:
        """Count a rotation."""
        self.metrics.feed.rotations.labels(self.venue.exchange, outcome).inc()

    def tell(self, kind: EventKind, detail: str, symbol: str = "") -> None:
        """Make an event known, in its topic and in the log."""
        exchange = self.venue.exchange
        record = EventRecord(
            exchange=exchange, kind=kind, service=self.venue.service, at=now_us(), symbol=symbol, detail=detail
        )
        self.publisher.put(ledger.events.outgoing(record))
        if kind is EventKind.FAILOVER:
            self.metrics.feed.failovers.labels(exchange).inc()
        if kind is EventKind.CONGESTED:
            self.metrics.feed.congested.labels(exchange).inc()
        logger().info(_EVENT, kind=kind, symbol=symbol or None, detail=detail)


def _word(reason: str) -> str:
    """One of a bounded set of words for why a connection ended, fit for a metric's label."""
    return next((word for part, word in _WORDS.items() if part in reason), "closed")
