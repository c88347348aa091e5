"""A venue, a socket and a feed by hand, for tests of one connection and of the supervisor that keeps it up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from k2_shared.core.origin import Origin
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.publish.backlog import Congested
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.transport import Disconnected
from k2_shared.feed.venue.budget import Allowance
from k2_shared.feed.venue.protocol import Event, Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue
from k2_support.records import trade

A, B = "A/USD", "B/USD"


class Words:
    """A venue that speaks in words: ``ack A``, ``trade A 1``, ``pong``, ``no A``, ``wait A``."""

    exchange = "KRAKEN"

    def subscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        return [f"subscribe {symbol}" for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        return [f"unsubscribe {symbol}" for symbol in symbols]

    def ping(self) -> str | None:
        return "ping"

    def receive(self, frame: bytes) -> Event:
        match frame.decode().split():
            case ["ack", symbol]:
                return Subscribed(frozenset({symbol}))
            case ["trade", symbol, number]:
                return TradesReceived((trade(symbol=symbol, trade_id=int(number)),))
            case ["no", symbol]:
                return Refused("not here", symbol)
            case ["wait", symbol]:
                return Refused("too many", symbol, transient=True)
            case ["no"]:
                return Refused("nothing here")
            case [word] if word in ("pong", "serverShutdown"):
                return Notice(word)
            case _:
                return Unreadable("no word")


class Clock:
    """A clock in seconds that stands until it is moved on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class HandSocket:
    """Brings what it is told to; answers pings, and closes, unless it is told not to."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self.said: list[str] = []
        self.pings = 0
        self.answers = True
        self.closes = True
        self.breaks = False
        self.closing = asyncio.Event()
        self.aborted = False

    def bring(self, *frames: str) -> None:
        for frame in frames:
            self.waiting.put_nowait(frame)

    async def frames(self) -> list[bytes]:
        frame = await self.waiting.get()
        if frame is None:
            raise Disconnected("closed by the peer")
        return [frame.encode()]

    async def send(self, text: str) -> None:
        self.said.append(text)
        if text == "ping" and self.answers:
            self.bring("pong")

    async def ping(self, timeout_s: float) -> None:
        self.pings += 1

    async def close(self) -> None:
        self.closing.set()
        if self.breaks:
            raise Disconnected("no goodbye")
        if self.closes:
            self.waiting.put_nowait(None)
        else:
            await asyncio.Event().wait()

    def abort(self) -> None:
        self.aborted = True


@dataclass
class HandFeed:
    """A feed's side by hand: the sink of a connection, the connector and the reports of a supervisor."""

    settings: FeedSettings
    sockets: list[HandSocket] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    present: set[Connection] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    gone: list[Cause] = field(default_factory=list)
    lost_to: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    clock: Clock = field(default_factory=Clock)
    opens: Callable[[int], bool] = lambda number: True
    alive: bool = False
    silence_s: float | None = None
    full: bool = False

    async def connect(self, url: str) -> Connection:
        if not self.opens(len(self.sockets)):
            self.sockets.append(HandSocket())
            raise Disconnected("refused by the network")
        socket = HandSocket()
        venue = Venue("feed_kraken", "KRAKEN", (url,), "", (A, B), None, None, Allowance(9, 1), 1, 1, self.silence_s, 0)  # type: ignore[arg-type]
        connection = Connection(socket, url, Words(), self, self.settings, venue, self.clock)
        self.sockets.append(socket)
        self.connections.append(connection)
        await connection.subscribe([A, B])
        self.present.add(connection)
        return connection

    def take(self, connection: int, frame: bytes, event: Event, origin: Origin) -> None:
        self.taken.append(frame.decode())

    async def wait_for_capacity(self) -> None:
        if self.full:
            self.full = False
            raise Congested("no room")

    def refused(self, refusal: Refused) -> None:
        self.refusals.append(refusal.message)

    def left(self, connection: Connection, cause: Cause) -> None:
        self.present.discard(connection)
        self.gone.append(cause)

    async def quiet(self, symbols: set[str]) -> set[str]:
        return symbols & self.silent

    async def outlast_congestion(self) -> None:
        self.told.append("the congestion is over")

    def connected(self, url: str) -> None:
        self.told.append(f"connected to {url}")

    def lost(self, reason: Exception) -> None:
        self.lost_to.append(str(reason))

    def congested(self, error: Exception) -> None:
        self.told.append("congested")

    def failed_over(self, before: str, now: str, error: Exception) -> None:
        self.told.append(f"failed over to {now}")

    def rotated(self, outcome: str, age_s: float) -> None:
        self.outcomes.append(outcome)

    def rotation_failed(self) -> None:
        self.outcomes.append("failed")


def feed_by_hand() -> HandFeed:
    """With the default deadlines, by a clock that the test moves, and with hardly a pause after a failure."""
    return HandFeed(FeedSettings.load(feed_backoff_base_s=0.01, feed_backoff_cap_s=0.02))
