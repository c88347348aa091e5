"""A feed's session against a real socket server, a real pair list and the real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve

from k2_shared.children import free_port
from k2_shared.errors import ConfigError, Unavailable
from k2_shared.feed.protocol import Event, Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_shared.feed.session import Feed, Venue
from k2_shared.feed.settings import FeedSettings
from k2_shared.origin import HEADER, Origin
from k2_shared.settings import RunSettings
from k2_shared.telemetry import Metrics
from k2_shared.testing.records import trade
from k2_shared.testing.topics import read, values
from k2_shared.testing.waiting import eventually
from k2_shared.topics import BRONZE, DLQ, RAW, Names
from k2_shared.trade import message_id

RAW_TOPIC, BRONZE_TOPIC = RAW.format(exchange="kraken"), BRONZE.format(exchange="kraken")
SYMBOLS = ("BTC/USD", "ETH/USD")
ACKS = ("ack BTC/USD", "ack ETH/USD")

pytestmark = pytest.mark.usefixtures("topics")


class WordProtocol:
    """A venue that speaks in words: ``ack SYMBOL``, ``trade SYMBOL ID``, ``no …``, ``broken``."""

    exchange = "KRAKEN"

    def subscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        return [f"subscribe {' '.join(symbols)}"]

    def receive(self, frame: bytes) -> Event:
        match frame.decode().split(maxsplit=1):
            case ["ack", symbol]:
                return Subscribed(frozenset({symbol}))
            case ["trade", text]:
                symbol, trade_id = text.split()
                return TradesReceived((trade(symbol=symbol, trade_id=int(trade_id)),))
            case ["no", why]:
                return Refused(why)
            case ["broken"]:
                return Unreadable("it says so")
            case _:
                return Notice("other")


class VenueServer:
    """Plays a script to each connection in turn, the last one to all that follow; ``close`` ends a connection."""

    def __init__(self) -> None:
        self.scripts: list[Sequence[str | bytes]] = [ACKS]
        self.asked: list[str] = []
        self.pairs: Any = {symbol: symbol.replace("/", "") for symbol in (*SYMBOLS, "BTC/EUR")}
        self.socket: ServerConnection | None = None
        self.ws_port = self.http_port = 0

    async def converse(self, socket: ServerConnection) -> None:
        script = self.scripts[min(len(self.asked), len(self.scripts) - 1)]
        self.asked.append(str(await socket.recv()))
        self.socket = socket
        for line in script:
            if line == "close":
                return
            await socket.send(line)
        await socket.wait_closed()

    async def pair_list(self, request: web.Request) -> web.Response:
        return web.json_response(self.pairs, status=200 if self.pairs else 404)

    async def say(self, line: str) -> None:
        assert self.socket is not None
        await self.socket.send(line)


@pytest.fixture
async def venue() -> AsyncIterator[VenueServer]:
    server = VenueServer()
    app = web.Application()
    app.router.add_get("/pairs", server.pair_list)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.http_port = runner.addresses[0][1]
    listening: Server
    async with serve(server.converse, "127.0.0.1", 0) as listening:
        server.ws_port = next(iter(listening.sockets)).getsockname()[1]
        yield server
    await runner.cleanup()


def read_pairs(answer: bytes) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(answer)
    return found


class Session:
    """A feed under test."""

    def __init__(self, run_settings: RunSettings, names: Names, venue: VenueServer) -> None:
        self.settings, self.names, self.venue = run_settings, names, venue
        self.metrics = Metrics("feed_kraken", "0")

    def make(self, symbols: tuple[str, ...] = SYMBOLS, ws_port: int = 0, **settings: Any) -> Feed:
        quick = {"feed_backoff_base_s": 0.01, "feed_backoff_cap_s": 0.05, "k2_prefix": self.names.prefix}
        target = Venue(
            service="feed_kraken",
            exchange="KRAKEN",
            ws_url=f"ws://127.0.0.1:{ws_port or self.venue.ws_port}",
            pairs_url=f"http://127.0.0.1:{self.venue.http_port}/pairs",
            symbols=symbols,
            read_pairs=read_pairs,
            protocol=lambda pairs: WordProtocol(),
        )
        return Feed(FeedSettings.load(**{**quick, **settings}), self.names, target, self.metrics)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Feed]:
        feed = self.make(**settings)
        await feed.start()
        try:
            yield feed
        finally:
            await feed.stop()

    async def found(self, topic: str) -> list[Any]:
        return await read(self.settings, self.names, topic)

    async def ids(self) -> list[str]:
        return sorted(message_id(record.value) for record in await self.found(BRONZE_TOPIC))

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"exchange": "KRAKEN", **labels}) or 0


@pytest.fixture
def session(run_settings: RunSettings, names: Names, venue: VenueServer) -> Session:
    return Session(run_settings, names, venue)


async def test_frames_are_published_verbatim_with_their_trades(session: Session) -> None:
    """Text and binary frames alike keep their bytes; one connection, frames numbered as they came."""
    session.venue.scripts = [(*ACKS, "trade BTC/USD  1", b"trade ETH/USD 2 ", "broken", "hello")]
    async with session.running() as feed:
        await eventually(lambda: session.count("k2_frames_total", kind="other") == 1, "the last frame")
        assert feed.not_ready() == []
        assert session.count("k2_websocket_connected") == 1
    assert session.venue.asked == ["subscribe BTC/USD ETH/USD"]
    raw = sorted(await session.found(RAW_TOPIC), key=lambda r: Origin.unpack(dict(r.headers)[HEADER]).frame_number)
    assert values(raw) == [b"trade BTC/USD  1", b"trade ETH/USD 2 ", b"broken"]
    origins = [Origin.unpack(dict(record.headers)[HEADER]) for record in raw]
    assert [origin.frame_number for origin in origins] == [3, 4, 5]
    assert len({origin.connection_id for origin in origins}) == 1
    assert [record.timestamp for record in raw] == [origin.received_ns // 1_000_000 for origin in origins]
    assert await session.ids() == ["KRAKEN:BTC/USD:1", "KRAKEN:ETH/USD:2"]
    assert values(await session.found(DLQ)) == [b"broken"]
    assert session.count("k2_last_record_timestamp_seconds", symbol="ETH/USD") == trade().timestamp / 1e6


async def test_it_is_ready_when_every_symbol_is_confirmed(session: Session) -> None:
    """One acknowledgement of two is not readiness."""
    session.venue.scripts = [ACKS[:1]]
    async with session.running() as feed:
        assert len(feed.not_ready()) == 2
        await eventually(lambda: feed.not_ready() == ["subscription ETH/USD"], "the first acknowledgement")
        assert session.count("k2_websocket_connected") == 0
        await session.venue.say(ACKS[1])
        await eventually(lambda: not feed.not_ready(), "readiness")


async def test_a_missing_acknowledgement_reconnects_although_other_frames_come(session: Session) -> None:
    """The deadline counts from the subscription, and trades of the other symbol do not extend it."""
    session.venue.scripts = [(ACKS[0], "trade BTC/USD 1"), (*ACKS, "trade ETH/USD 2")]
    async with session.running(feed_ack_timeout_s=1) as feed:
        await eventually(lambda: not feed.not_ready(), "the second connection")
        await eventually(lambda: session.count("k2_frames_total", kind="TradesReceived") == 2, "both trades")
    assert len(session.venue.asked) == 2
    assert session.count("k2_websocket_reconnects_total") == 1
    assert await session.ids() == ["KRAKEN:BTC/USD:1", "KRAKEN:ETH/USD:2"]


async def test_it_reconnects_after_every_drop_and_subscribes_again(session: Session) -> None:
    """What each connection delivered is published; while it is down it is not ready."""
    session.venue.scripts = [(*ACKS, f"trade BTC/USD {number}", "close") for number in (1, 2)]
    session.venue.scripts += [(*ACKS, "trade BTC/USD 3")]
    async with session.running() as feed:
        await eventually(lambda: session.count("k2_frames_total", kind="TradesReceived") == 3, "three connections")
        assert not feed.not_ready()
        assert feed._backoff.failures == 0
    assert session.venue.asked == ["subscribe BTC/USD ETH/USD"] * 3
    assert await session.ids() == [f"KRAKEN:BTC/USD:{number}" for number in (1, 2, 3)]
    connections = {Origin.unpack(dict(r.headers)[HEADER]).connection_id for r in await session.found(RAW_TOPIC)}
    assert len(connections) == 3


async def ended(feed: Feed) -> BaseException:
    """Start a feed that is to end by itself; returns why it did."""
    await feed.start()
    try:
        await eventually(lambda: feed.crash_reason, "the end of the feed")
    finally:
        await feed.stop()
    reason: BaseException = feed.crash_reason
    return reason


async def test_a_refused_subscription_ends_the_feed(session: Session) -> None:
    """What the venue refuses, or confirms otherwise than asked, will not get better by trying again."""
    session.venue.scripts = [("no snapshot for you",)]
    reason = await ended(session.make())
    assert isinstance(reason, ConfigError)
    assert str(reason) == "KRAKEN refused a subscription: snapshot for you"
    assert len(session.venue.asked) == 1


async def test_a_venue_out_of_reach_ends_the_feed_after_its_attempts(session: Session) -> None:
    """The supervisor sees it; an idle process would look alive."""
    reason = await ended(session.make(ws_port=free_port(), feed_connect_attempts=3))
    assert isinstance(reason, Unavailable)
    assert "failed 3 times in a row" in str(reason)


async def test_connections_without_trades_count_as_failures(session: Session) -> None:
    """A venue that accepts and drops at once uses up the attempts."""
    session.venue.scripts = [(*ACKS, "close")]
    reason = await ended(session.make(feed_connect_attempts=3))
    assert isinstance(reason, Unavailable)
    assert len(session.venue.asked) == 3


async def test_an_unknown_symbol_names_the_variable_and_what_there_is(session: Session) -> None:
    """An unknown symbol would otherwise be silence."""
    with pytest.raises(ConfigError, match="does not trade BTC/GBP: check KRAKEN_SYMBOLS; it has BTC/EUR, BTC/USD"):
        await session.make(symbols=("BTC/GBP", "ETH/USD")).start()
    with pytest.raises(ConfigError, match=r"does not trade XYZ/USD: .*; it has 3"):
        await session.make(symbols=("XYZ/USD",)).start()


@pytest.mark.parametrize("pairs", [None, "text"])
async def test_a_venue_without_pair_list_is_unavailable(
    session: Session, monkeypatch: pytest.MonkeyPatch, pairs: str | None
) -> None:
    """An HTTP error and an answer of another shape both name the variable."""

    def refuse(answer: bytes) -> Mapping[str, str]:
        raise ValueError(answer)

    session.venue.pairs = pairs
    monkeypatch.setitem(globals(), "read_pairs", refuse)
    with pytest.raises(Unavailable, match=r"KRAKEN gave no pair list .*check KRAKEN_REST_URL"):
        await session.make().start()


async def test_a_stop_publishes_what_was_read(session: Session) -> None:
    """The socket is closed first, then Kafka acknowledges everything that came through it."""
    trades = [f"trade BTC/USD {number}" for number in range(1, 301)]
    session.venue.scripts = [(*ACKS, *trades)]
    async with session.running():
        await eventually(lambda: session.count("k2_frames_total", kind="TradesReceived") > 20, "some trades")
    count = session.count("k2_frames_total", kind="TradesReceived")
    assert len(await session.ids()) == len(await session.found(RAW_TOPIC)) == count
    assert session.venue.socket is not None
    await asyncio.wait_for(session.venue.socket.wait_closed(), 10)


async def test_a_stop_that_could_not_publish_is_a_failure(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that Kafka did not take in the end is not an orderly end."""

    async def fail() -> None:
        raise Unavailable("not acknowledged")

    async with session.running() as feed:
        await eventually(lambda: not feed.not_ready(), "readiness")
        monkeypatch.setattr(feed._publisher, "flush", fail)
    assert isinstance(feed.crash_reason, Unavailable)


async def test_a_stop_while_waiting_to_reconnect_is_prompt(session: Session) -> None:
    """The delay ends with the feed."""
    async with session.running(ws_port=free_port(), feed_backoff_base_s=60, feed_backoff_cap_s=600):
        await eventually(lambda: session.count("k2_websocket_reconnects_total") == 1, "the first failure")
