"""One connection with a socket by hand: confirmations, pings, and silence, each with its deadline."""

import asyncio

import pytest
from shared.tests.feed.hand_feed import A, B, HandFeed, feed_by_hand

from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.transport import Disconnected
from k2_shared.feed.venue.settings import FeedSettings
from k2_support.waiting import eventually

DEFAULTS = FeedSettings.load()


async def ended(connection: Connection) -> str:
    """Run a connection to its end; why it ended."""
    with pytest.raises(Disconnected) as found:
        await asyncio.wait_for(connection.run(), 60)
    return str(found.value)


@pytest.fixture
def feed() -> HandFeed:
    return feed_by_hand()


async def test_it_ends_when_a_symbol_is_not_confirmed_in_time(feed: HandFeed) -> None:
    """Trades of another symbol do not extend the deadline."""
    connection = await feed.connect("ws://a")
    feed.sockets[0].bring(f"ack {A}", f"trade {A} 1")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: feed.taken[-1:] == [f"trade {A} 1"], "the trade")
    feed.clock.now += DEFAULTS.feed_ack_timeout_s + 0.1
    assert await running == f"not confirmed: {B}"
    assert feed.sockets[0].aborted
    assert connection.confirmed == {A}


async def test_it_pings_the_protocol_and_the_application_in_turn(feed: HandFeed) -> None:
    """Every interval; a connection whose pongs come goes on."""
    connection = await feed.connect("ws://a")
    socket = feed.sockets[0]
    socket.bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))

    def pinged_thrice() -> bool:
        feed.clock.now += 0.2
        return socket.pings >= 3 and socket.said.count("ping") >= 3

    await eventually(pinged_thrice, "three pings of both")
    assert not running.done()
    connection.give_up("enough")
    assert await running == "enough"


async def test_it_ends_when_the_application_does_not_answer_a_ping(feed: HandFeed) -> None:
    """A socket whose protocol pongs may have a dead application behind it."""
    connection = await feed.connect("ws://a")
    socket = feed.sockets[0]
    socket.answers = False
    socket.bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmations")
    feed.clock.now += DEFAULTS.feed_ping_interval_s
    await eventually(lambda: "ping" in socket.said, "the ping")
    feed.clock.now += DEFAULTS.feed_ping_timeout_s + 0.1
    assert await running == "no application pong"


async def test_it_ends_when_a_venue_that_always_speaks_is_silent(feed: HandFeed) -> None:
    """Kraken's heartbeats come every second."""
    feed.silence_s = 8.0
    connection = await feed.connect("ws://a")
    feed.sockets[0].bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmations")
    feed.clock.now += 8.1
    assert await running == "silence"


async def test_a_refusal_of_everything_ends_it(feed: HandFeed) -> None:
    """The next connection asks again."""
    connection = await feed.connect("ws://a")
    feed.sockets[0].bring("no")
    assert await ended(connection) == "refused: nothing here"
    assert feed.refusals == ["nothing here"]


async def test_a_symbol_that_is_refused_costs_the_others_nothing(feed: HandFeed) -> None:
    """It is known, it is not waited for, and it is left to the next connection."""
    connection = await feed.connect("ws://a")
    feed.sockets[0].bring(f"ack {A}", f"no {B}", "serverShutdown")
    task = asyncio.create_task(connection.run())
    await eventually(connection.leaving.is_set, "the venue's warning")
    assert (connection.wanted, connection.asked, connection.complete) == ({A}, {A, B}, True)
    feed.clock.now += DEFAULTS.feed_ack_timeout_s + 0.1
    await eventually(lambda: feed.sockets[0].pings, "the ping that is due by then")
    assert not task.done()
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
    assert feed.sockets[0].said.count(f"subscribe {B}") == 1


async def test_a_symbol_that_is_refused_for_now_is_asked_for_again(feed: HandFeed) -> None:
    """On the same connection, until the venue grants it."""
    connection = await feed.connect("ws://a")
    socket = feed.sockets[0]
    socket.bring(f"ack {A}", f"wait {B}")
    task = asyncio.create_task(connection.run())
    await eventually(lambda: feed.refusals, "the refusal")
    feed.clock.now += 1
    await eventually(lambda: socket.said.count(f"subscribe {B}") == 2, "the second request")
    socket.bring(f"ack {B}")
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmation")
    assert feed.refusals == ["too many"]
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
