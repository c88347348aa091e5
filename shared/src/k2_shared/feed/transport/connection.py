"""One connection to a venue: its subscriptions, its frames, and the deadlines by which a dead peer is found."""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from k2_shared.core.backoff import Backoff
from k2_shared.core.origin import Origin
from k2_shared.core.tasks import run_until_first_ends
from k2_shared.feed.transport.transport import Disconnected, Socket
from k2_shared.feed.venue.protocol import (
    PONG,
    SHUTDOWN,
    Event,
    Notice,
    Refused,
    Subscribed,
    TradesReceived,
    VenueProtocol,
)
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue

_LOOK_S = 0.1


class Sink(Protocol):
    """Takes what a connection brings."""

    def take(self, connection: int, frame: bytes, event: Event, origin: Origin) -> None:
        """Take one frame of the connection of that number, and what the protocol read of it."""

    async def wait_for_capacity(self) -> None:
        """Wait until more can be taken. Raises Congested where that takes too long."""

    @property
    def refused(self) -> Callable[[Refused], None]:
        """Is told that the venue refused a symbol, or what was asked for as a whole."""


class Connection:
    """One subscribed connection. ``last`` is the newest trade id that it brought of each symbol."""

    def __init__(
        self,
        socket: Socket,
        url: str,
        protocol: VenueProtocol,
        sink: Sink,
        settings: FeedSettings,
        venue: Venue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = secrets.randbits(63)
        self.url = url
        self.began = clock()
        self._clock = clock
        self.last: dict[str, int] = {}
        self.confirmed: set[str] = set()
        self.leaving = asyncio.Event()  # the venue is about to close it
        self._socket, self._protocol, self._sink = socket, protocol, sink
        self._settings, self._venue = settings, venue
        self._due: dict[str, float] = {}
        self._again: dict[str, float] = {}  # refused for now, and when to ask again
        self._refused: set[str] = set()  # left to the next connection
        self._backoff = Backoff(settings.feed_backoff_base_s, settings.feed_backoff_cap_s)
        self._numbered = 0
        self._heard = self.began
        self._pongs = 0
        self._given_up = ""

    @property
    def wanted(self) -> set[str]:
        """The symbols that the connection is subscribed to, or is waiting to be."""
        return self.confirmed | self._due.keys() | self._again.keys()

    @property
    def asked(self) -> set[str]:
        """The symbols that the connection has asked for, including those that the venue refused."""
        return self.wanted | self._refused

    @property
    def complete(self) -> bool:
        """Whether the connection carries at least one symbol and waits for no confirmation."""
        return bool(self.confirmed) and not self._due

    async def run(self) -> None:
        """Take frames until the socket ends.

        Raises:
            Disconnected: always, with the reason.
        """
        try:
            await run_until_first_ends(self._pump(), self._ping(), self._watch())
        finally:
            self._socket.abort()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Ask for symbols; each must be confirmed in time, or the connection ends. Raises Disconnected."""
        if not symbols:
            return
        due = self._clock() + self._settings.feed_ack_timeout_s
        self._due |= dict.fromkeys(symbols, due)
        await self._say(self._protocol.subscribe(symbols))

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """End the subscriptions of symbols. Raises Disconnected."""
        for symbol in symbols:
            self._due.pop(symbol, None)
            self._again.pop(symbol, None)
            self._refused.discard(symbol)
            self.confirmed.discard(symbol)
        await self._say(self._protocol.unsubscribe(symbols))

    def give_up(self, reason: str) -> None:
        """Have the connection end within a moment, for a reason that ``run`` raises."""
        self._given_up = reason

    async def close(self) -> None:
        """Close the socket with a Close frame; ``run`` still takes the frames that have arrived."""
        await self._socket.close()

    async def _say(self, messages: Sequence[str]) -> None:
        for number, message in enumerate(messages):
            if number:
                await asyncio.sleep(self._venue.message_gap_s)
            await self._socket.send(message)

    async def _pump(self) -> None:
        receive, take = self._protocol.receive, self._sink.take
        while True:
            self._heard = self._clock()
            frames = await self._socket.frames()
            for frame in frames:
                self._numbered += 1
                event = receive(frame)
                if type(event) is TradesReceived:
                    newest = event.trades[-1]
                    self.last[newest.symbol] = newest.trade_id
                else:
                    self._note(event)
                take(self.id, frame, event, Origin(time.time_ns(), self.id, self._numbered))
            self._heard = math.inf  # while we wait for Kafka, a silence is our own
            await self._sink.wait_for_capacity()

    def _note(self, event: Event) -> None:
        match event:
            case Subscribed(symbols):
                self.confirmed |= symbols & self._due.keys()
                for symbol in symbols:
                    self._due.pop(symbol, None)
            case Notice(kind) if kind == PONG:
                self._pongs += 1
            case Notice(kind) if kind == SHUTDOWN:
                self.leaving.set()
            case Refused():
                self._take_refusal(event)
            case _:
                return

    def _take_refusal(self, refusal: Refused) -> None:
        """Go on with the other symbols; a refused one is asked for again after a while, or on the next connection."""
        self._sink.refused(refusal)
        if not refusal.symbol:
            raise Disconnected(f"refused: {refusal.message}")
        self._due.pop(refusal.symbol, None)
        if refusal.transient:
            self._again[refusal.symbol] = self._clock() + self._backoff.next_delay()
        else:
            self._refused.add(refusal.symbol)

    async def _ping(self) -> None:
        """Send pings of the WebSocket protocol and of the venue's own in turn, each with a deadline for its pong."""
        settings = self._settings
        while True:
            await self._until(self._clock() + settings.feed_ping_interval_s)
            await self._socket.ping(settings.feed_ping_timeout_s)
            message = self._protocol.ping()
            if message:
                await self._ping_application(message)

    async def _until(self, due: float) -> None:
        while self._clock() < due:  # noqa: ASYNC110  # a clock that tests move on
            await asyncio.sleep(_LOOK_S)

    async def _ping_application(self, message: str) -> None:
        pongs, deadline = self._pongs, self._clock() + self._settings.feed_ping_timeout_s
        await self._socket.send(message)
        while self._pongs == pongs:
            if self._clock() > deadline:
                raise Disconnected("no application pong")
            await asyncio.sleep(_LOOK_S)

    async def _watch(self) -> None:
        """End the connection when a confirmation is late, or a venue that always sends something is silent."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._clock()
            late = [symbol for symbol, due in self._due.items() if now > due]
            if self._given_up:
                raise Disconnected(self._given_up)
            if late:
                raise Disconnected(f"not confirmed: {', '.join(late)}")
            await self._ask_again(now)
            if self._venue.silence_s and now - self._heard > self._venue.silence_s:
                raise Disconnected("silence")

    async def _ask_again(self, now: float) -> None:
        symbols = sorted(symbol for symbol, at in self._again.items() if now >= at)
        for symbol in symbols:
            del self._again[symbol]
        await self.subscribe(symbols)
