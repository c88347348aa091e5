"""The shell of a feed: connect, subscribe, check the acknowledgement, publish, reconnect."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
import stamina
from mode import Service
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from k2_shared import kafka
from k2_shared.errors import ConfigError, Unavailable
from k2_shared.feed.backoff import Backoff
from k2_shared.feed.frames import FrameWriter
from k2_shared.feed.protocol import (
    Event,
    Notice,
    PairList,
    Refused,
    Subscribed,
    TradesReceived,
    VenueProtocol,
)
from k2_shared.feed.publisher import Publisher
from k2_shared.feed.settings import FeedSettings
from k2_shared.origin import Origin
from k2_shared.registry import Registry
from k2_shared.telemetry import Metrics, logger
from k2_shared.topics import BRONZE, DLQ, RAW, Names, administration, check
from k2_shared.trade import Exchange, wire_prefix

CONNECTED = "feed_connected"
SUBSCRIBED = "feed_subscribed"
DISCONNECTED = "feed_disconnected"
UNREADABLE = "feed_frame_refused"


class _NotConfirmed(Exception):
    """The venue did not confirm a subscription in time."""


@dataclass(frozen=True)
class Venue:
    """Everything about a venue that the shell needs."""

    service: str
    exchange: Exchange
    ws_url: str
    pairs_url: str
    symbols: tuple[str, ...]
    read_pairs: PairList
    protocol: Callable[[Mapping[str, str]], VenueProtocol]


class Feed(Service):  # type: ignore[misc]
    """A Faust service that captures one venue over one socket."""

    def __init__(self, settings: FeedSettings, names: Names, venue: Venue, metrics: Metrics) -> None:
        super().__init__()
        self._settings = settings
        self._names = names
        self._venue = venue
        self._metrics = metrics
        self._backoff = Backoff(settings.feed_backoff_base_s, settings.feed_backoff_cap_s)
        self._confirmed: set[str] = set()
        self._pairs: Mapping[str, str] = {}
        self._socket: ClientConnection | None = None
        self._publisher: Publisher
        self._capturing: asyncio.Future[None] | None = None

    def not_ready(self) -> list[str]:
        """The symbols whose subscription is not confirmed."""
        return [f"subscription {symbol}" for symbol in self._venue.symbols if symbol not in self._confirmed]

    async def on_start(self) -> None:
        await self._check_topics()
        self._writer = FrameWriter(self._venue.exchange, self._venue.service, wire_prefix(await self._schema_id()))
        self._pairs = await self._wanted_pairs()
        sender = await self.add_async_context(kafka.started(kafka.producer(self._settings), self._settings))
        self._publisher = Publisher(sender, self._names, self._metrics, self._settings.feed_max_in_flight)

    async def on_started(self) -> None:
        self._capturing = self.add_future(self._capture())

    async def on_stop(self) -> None:
        """Stop reading first, then see that Kafka has what was read."""
        if self._socket:
            await self._socket.close()
        if self._capturing:
            await asyncio.wait([self._capturing])
            try:
                await self._publisher.flush()
            except Unavailable as error:
                await self.crash(error)  # an exception out of on_stop would be logged and forgotten

    async def _capture(self) -> None:
        """Hold a connection until told to stop.

        Raises:
            Unavailable: the venue could not be reached in the allowed number of attempts in a row.
        """
        while not self.should_stop:
            try:
                await self._connection()
            except (OSError, TimeoutError, WebSocketException, _NotConfirmed) as error:
                if not self.should_stop:
                    await self._disconnected(error)

    async def _disconnected(self, error: Exception) -> None:
        self._confirmed.clear()
        self._metrics.connected.labels(self._venue.exchange).set(0)
        self._metrics.reconnects.labels(self._venue.exchange).inc()
        delay = self._backoff.next_delay()
        logger().warning(DISCONNECTED, error=repr(error), failures=self._backoff.failures, retry_in_s=round(delay, 3))
        if self._backoff.failures >= self._settings.feed_connect_attempts:
            raise Unavailable(
                f"{self._venue.exchange} at {self._venue.ws_url} failed {self._backoff.failures} times in a row, "
                f"the last with {error!r}"
            )
        await self.sleep(delay)

    async def _connection(self) -> None:
        settings = self._settings
        async with connect(
            self._venue.ws_url,
            ping_interval=settings.feed_ping_interval_s,
            ping_timeout=settings.feed_ping_interval_s,
            close_timeout=2.0,
            max_size=settings.feed_max_frame_bytes,
            max_queue=1024,
            compression=None,
        ) as socket:
            self._socket = socket
            logger().info(CONNECTED, url=self._venue.ws_url)
            await self._converse(socket)

    async def _converse(self, socket: ClientConnection) -> None:
        protocol = self._venue.protocol(self._pairs)
        for message in protocol.subscribe(self._venue.symbols):
            await socket.send(message)
        connection_id, number = secrets.randbits(63), 0
        deadline = time.monotonic() + self._settings.feed_ack_timeout_s
        while not self.should_stop:
            frame = await self._next_frame(socket, deadline)
            number += 1
            await self._take(protocol, frame, Origin(time.time_ns(), connection_id, number))

    async def _next_frame(self, socket: ClientConnection, deadline: float) -> bytes:
        """The next frame's bytes as they came; while subscriptions are unconfirmed, not later than the deadline."""
        if not self.not_ready():
            return await socket.recv(decode=False)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await socket.recv(decode=False)
        except TimeoutError:
            raise _NotConfirmed(", ".join(self.not_ready())) from None

    async def _take(self, protocol: VenueProtocol, frame: bytes, origin: Origin) -> None:
        event = protocol.receive(frame)
        written = self._writer.records(frame, event, origin)
        await self._publisher.publish(written.records)
        for error in written.refused:
            logger().warning(UNREADABLE, reason=error.reason, detail=error.detail)
            self._metrics.rejected.labels(error.reason).inc()
        self._note(event)

    def _note(self, event: Event) -> None:
        exchange = self._venue.exchange
        kind = event.kind if isinstance(event, Notice) else type(event).__name__
        self._metrics.frames.labels(exchange, kind).inc()
        match event:
            case TradesReceived(trades):
                self._backoff.succeeded()
                self._metrics.last_record.labels(exchange, trades[-1].symbol).set(trades[-1].timestamp / 1e6)
            case Subscribed(symbols):
                self._confirm(symbols)
            case Refused(message):
                raise ConfigError(f"{exchange} refused a subscription: {message}")
            case _:
                return

    def _confirm(self, symbols: frozenset[str]) -> None:
        self._confirmed |= symbols
        if not self.not_ready():
            self._metrics.connected.labels(self._venue.exchange).set(1)
            logger().info(SUBSCRIBED, symbols=sorted(self._confirmed))

    async def _check_topics(self) -> None:
        exchange = self._venue.exchange.lower()
        async with administration(self._settings) as admin:
            await check(admin, self._names, [RAW.format(exchange=exchange), BRONZE.format(exchange=exchange), DLQ])

    async def _schema_id(self) -> int:
        topic = self._names.topic(BRONZE.format(exchange=self._venue.exchange.lower()))
        async with Registry.connect(self._settings) as registry:
            return await registry.schema_id(self._names.contract(topic), self._names.subject(topic))

    async def _wanted_pairs(self) -> Mapping[str, str]:
        pairs = await self._pair_list()
        unknown = [symbol for symbol in self._venue.symbols if symbol not in pairs]
        if unknown:
            near = sorted(pair for pair in pairs if pair.split("/")[0] == unknown[0].split("/")[0])[:10]
            raise ConfigError(
                f"{self._venue.exchange} does not trade {', '.join(unknown)}: "
                f"check {self._venue.exchange}_SYMBOLS; it has {', '.join(near) or len(pairs)}"
            )
        return {symbol: pairs[symbol] for symbol in self._venue.symbols}

    async def _pair_list(self) -> Mapping[str, str]:
        try:
            return self._venue.read_pairs(await _get(self._venue.pairs_url))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"{self._venue.exchange} gave no pair list at {self._venue.pairs_url} "
                f"({error or type(error).__name__}): check {self._venue.exchange}_REST_URL"
            ) from None


@stamina.retry(on=(aiohttp.ClientError, TimeoutError), attempts=5, timeout=None, wait_max=5.0)
async def _get(url: str) -> bytes:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.get(url, raise_for_status=True) as response,
    ):
        return await response.read()
