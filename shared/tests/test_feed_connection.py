"""One connection and the slot that keeps it up, with a socket by hand: confirmations, deadlines, make before break."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from k2_shared.errors import Unavailable
from k2_shared.feed.budget import Allowance
from k2_shared.feed.connection import Connection
from k2_shared.feed.endpoints import Endpoints
from k2_shared.feed.ledger import Cause, EventKind
from k2_shared.feed.protocol import Event, Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_shared.feed.publisher import Congested
from k2_shared.feed.settings import FeedSettings
from k2_shared.feed.slot import Slot
from k2_shared.feed.transport import Disconnected
from k2_shared.feed.venue import Venue
from k2_shared.origin import Origin
from k2_shared.testing.records import trade
from k2_shared.testing.waiting import eventually

A, B = "A/USD", "B/USD"


class Words:
    """A venue that speaks in words: ``ack A``, ``trade A 1``, ``pong``, ``bye``, ``no A``."""

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
            case [word] if word in ("pong", "serverShutdown"):
                return Notice(word)
            case _:
                return Unreadable("no word")


class HandSocket:
    """Brings what it is told to; answers pings unless it is told not to."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self.said: list[str] = []
        self.answers = True
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
        return

    async def close(self) -> None:
        self.waiting.put_nowait(None)

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Lines:
    """A feed's side by hand: what a connection and a slot tell it."""

    settings: FeedSettings
    sockets: list[HandSocket] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    present: set[Connection] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)
    told: list[tuple[EventKind, str]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    gone: list[Cause] = field(default_factory=list)
    lost_to: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    opens: Callable[[int], bool] = lambda number: True
    alive: bool = False
    silence_s: float | None = None
    full: bool = False
    lets_go: bool = False

    async def connect(self, url: str) -> Connection:
        if not self.opens(len(self.sockets)):
            self.sockets.append(HandSocket())
            raise Disconnected("refused by the network")
        socket = HandSocket()
        venue = Venue("feed_kraken", "KRAKEN", (url,), "", (A, B), None, None, Allowance(9, 1), 1, 1, self.silence_s, 0)  # type: ignore[arg-type]
        connection = Connection(socket, url, Words(), self, self.settings, venue)
        self.sockets.append(socket)
        self.connections.append(connection)
        await connection.subscribe([A, B])
        self.present.add(connection)
        return connection

    def take(self, connection: Connection, frame: bytes, event: Event, origin: Origin) -> None:
        self.taken.append(frame.decode())
        if isinstance(event, TradesReceived):
            connection.last[event.trades[0].symbol] = event.trades[0].trade_id

    async def room(self) -> None:
        if self.full:
            self.full = False
            raise Congested("no room")

    def refused(self, symbol: str, message: str) -> bool:
        return self.lets_go

    def left(self, connection: Connection, cause: Cause) -> None:
        self.present.discard(connection)
        self.gone.append(cause)

    async def quiet(self, symbols: set[str]) -> set[str]:
        return symbols & self.silent

    async def recovered(self) -> None:
        self.told.append((EventKind.SUBSCRIBED, "recovered"))

    def tell(self, kind: EventKind, detail: str) -> None:
        self.told.append((kind, detail))

    def lost(self, reason: Exception) -> None:
        self.lost_to.append(str(reason))

    def rotated(self, outcome: str) -> None:
        self.outcomes.append(outcome)


QUICK = {
    "feed_ack_timeout_s": 0.5,
    "feed_ping_interval_s": 0.2,
    "feed_ping_timeout_s": 0.3,
    "feed_backoff_base_s": 0.01,
}


@pytest.fixture
def lines() -> Lines:
    return Lines(FeedSettings.load(feed_backoff_cap_s=0.02, feed_rotate_deadline_s=0.6, **QUICK))


async def ended(connection: Connection) -> str:
    with pytest.raises(Disconnected) as found:
        await asyncio.wait_for(connection.run(), 10)
    return str(found.value)


async def test_it_ends_when_a_symbol_is_not_confirmed_in_time(lines: Lines) -> None:
    """Trades of another symbol do not extend the deadline."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"trade {A} 1")
    assert await ended(connection) == f"not confirmed: {B}"
    assert lines.sockets[0].aborted
    assert connection.confirmed == {A}


async def test_it_ends_when_the_application_does_not_answer_a_ping(lines: Lines) -> None:
    """A socket whose protocol pongs may have a dead application behind it."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].answers = False
    lines.sockets[0].bring(f"ack {A}", f"ack {B}")
    assert await ended(connection) == "no application pong"


async def test_it_ends_when_a_venue_that_always_speaks_is_silent(lines: Lines) -> None:
    """Kraken's heartbeats come every second."""
    lines.silence_s = 0.1
    connection = await lines.connect("ws://a")
    assert await ended(connection) == "silence"


async def test_a_refusal_ends_it_unless_the_feed_lets_the_symbol_go(lines: Lines) -> None:
    """A symbol that was just added may be refused; the others stay."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"no {B}")
    assert await ended(connection) == "refused: not here"
    lines.lets_go = True
    connection = await lines.connect("ws://a")
    lines.sockets[1].bring(f"ack {A}", f"no {B}", "serverShutdown")
    task = asyncio.create_task(connection.run())
    await eventually(connection.leaving.is_set, "the venue's warning")
    assert connection.wanted == {A}
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task


@dataclass
class Running:
    """A slot at work."""

    lines: Lines
    task: asyncio.Task[None]

    async def socket(self, number: int) -> HandSocket:
        await eventually(lambda: len(self.lines.sockets) > number, f"socket {number}")
        return self.lines.sockets[number]

    async def deliver(self, number: int, *symbols: str) -> HandSocket:
        """Confirm both symbols and bring a trade of some."""
        socket = await self.socket(number)
        socket.bring(f"ack {A}", f"ack {B}", *(f"trade {symbol} {number + 1}" for symbol in symbols))
        return socket


@pytest.fixture
async def start(lines: Lines) -> AsyncIterator[Callable[..., Running]]:
    tasks: list[asyncio.Task[None]] = []

    def begin(rotate_after_s: float = 60.0, urls: Sequence[str] = ("ws://a",)) -> Running:
        slot = Slot(lines, lines.settings, Endpoints(urls, 2), rotate_after_s)
        tasks.append(asyncio.create_task(slot.run()))
        return Running(lines, tasks[-1])

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_connection_that_ends_is_replaced(start: Callable[..., Running], lines: Lines) -> None:
    """What is missing then is owed to the reconnect."""
    running = start()
    (await running.deliver(0, A)).waiting.put_nowait(None)
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in lines.taken, "a trade of the second connection")
    assert lines.gone == [Cause.RECONNECT]
    assert lines.lost_to == ["closed by the peer"]


async def test_the_new_socket_delivers_before_the_old_one_closes(start: Callable[..., Running], lines: Lines) -> None:
    """Make before break: both are there until every symbol has come through the new one."""
    running = start(rotate_after_s=0.1)
    await running.deliver(0, A, B)
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in lines.taken, "a trade of the new one")
    assert len(lines.present) == 2
    (await running.socket(1)).bring(f"trade {B} 2")
    await eventually(lambda: lines.outcomes, "the rotation")
    assert lines.outcomes[0] == "delivered"
    await eventually(lambda: lines.gone, "the old one's end")
    assert lines.gone[0] is Cause.ROTATION
    assert not lines.lost_to


async def test_a_quiet_symbol_counts_as_delivered(
    start: Callable[..., Running], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the venue has nothing newer than what was captured."""
    monkeypatch.setattr("k2_shared.feed.slot._QUIET_AFTER_S", 0.1)
    lines.silent = {B}
    running = start(rotate_after_s=0.1)
    await running.deliver(0, A, B)
    await running.deliver(1, A)
    await eventually(lambda: lines.outcomes, "the rotation")
    assert lines.outcomes[0] == "delivered"


async def test_the_deadline_ends_the_overlap(start: Callable[..., Running], lines: Lines) -> None:
    """What the new one has not delivered by then is for the backfill to prove."""
    running = start(rotate_after_s=0.1)
    await running.deliver(0, A, B)
    await running.deliver(1, A)
    await eventually(lambda: lines.outcomes, "the rotation")
    assert lines.outcomes[0] == "deadline"


async def test_a_rotation_that_fails_keeps_the_old_socket(start: Callable[..., Running], lines: Lines) -> None:
    """There is nothing to hand over to; it is tried again."""
    lines.opens = lambda number: number != 1
    running = start(rotate_after_s=0.1)
    first = await running.deliver(0, A, B)
    await eventually(lambda: lines.outcomes == ["failed"], "the failure")
    first.bring(f"trade {A} 7")
    await eventually(lambda: f"trade {A} 7" in lines.taken, "a trade of the old one")
    await running.deliver(2, A, B)
    await eventually(lambda: lines.outcomes[-1] == "delivered", "the second try")


async def test_a_venue_that_says_goodbye_is_left_in_order(start: Callable[..., Running], lines: Lines) -> None:
    """serverShutdown is a rotation, whatever the age."""
    running = start()
    (await running.deliver(0, A, B)).bring("serverShutdown")
    await running.deliver(1, A, B)
    await eventually(lambda: lines.outcomes == ["delivered"], "the rotation")


async def test_an_endpoint_that_fails_makes_room_for_the_next(start: Callable[..., Running], lines: Lines) -> None:
    """Of the same venue; it is told."""
    lines.opens = lambda number: number > 1
    start(urls=("ws://a", "ws://b"))
    await eventually(lambda: lines.connections, "a connection")
    assert lines.connections[0].url == "ws://b"
    assert lines.told[0][0] is EventKind.FAILOVER


async def test_it_gives_up_after_its_attempts_unless_another_delivers(
    start: Callable[..., Running], lines: Lines
) -> None:
    """An idle process would look alive; one that still captures must not end."""
    lines.settings = lines.settings.model_copy(update={"feed_connect_attempts": 3})
    lines.opens = lambda number: False
    lines.alive = True
    running = start()
    await eventually(lambda: len(lines.sockets) > 6, "more attempts than allowed")
    lines.alive = False
    with pytest.raises(Unavailable, match="times in a row"):
        await asyncio.wait_for(running.task, 10)


async def test_a_socket_is_let_go_while_kafka_has_no_room(start: Callable[..., Running], lines: Lines) -> None:
    """It is no failure of the venue's; the backfill has what is missed."""
    lines.full = True
    running = start()
    await running.deliver(0, A)
    await running.deliver(1, A)
    assert [kind for kind, _ in lines.told] == [EventKind.CONGESTED, EventKind.SUBSCRIBED]
