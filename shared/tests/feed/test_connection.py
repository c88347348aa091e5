"""One connection with a socket by hand: confirmations, pings, and silence, each with its deadline."""

import asyncio

import pytest
from shared.tests.feed.toy_lines import A, B, Lines, lines_by_hand

from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.transport import Disconnected
from k2_shared.feed.venue.settings import FeedSettings
from k2_support.waiting import eventually

DEFAULTS = FeedSettings.load()


async def ended(connection: Connection) -> str:
    """Run a connection to its end; why it ended."""
    with pytest.raises(Disconnected) as found:
        await asyncio.wait_for(connection.run(), 30)
    return str(found.value)


@pytest.fixture
def lines() -> Lines:
    return lines_by_hand()


async def test_it_ends_when_a_symbol_is_not_confirmed_in_time(lines: Lines) -> None:
    """Trades of another symbol do not extend the deadline."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"trade {A} 1")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: lines.taken[-1:] == [f"trade {A} 1"], "the trade")
    lines.clock.now += DEFAULTS.feed_ack_timeout_s + 0.1
    assert await running == f"not confirmed: {B}"
    assert lines.sockets[0].aborted
    assert connection.confirmed == {A}


async def test_it_pings_the_protocol_and_the_application_in_turn(lines: Lines) -> None:
    """Every interval; a connection whose pongs come goes on."""
    connection = await lines.connect("ws://a")
    socket = lines.sockets[0]
    socket.bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))

    def pinged_thrice() -> bool:
        lines.clock.now += 0.2
        return socket.pings >= 3 and socket.said.count("ping") >= 3

    await eventually(pinged_thrice, "three pings of both")
    assert not running.done()
    connection.give_up("enough")
    assert await running == "enough"


async def test_it_ends_when_the_application_does_not_answer_a_ping(lines: Lines) -> None:
    """A socket whose protocol pongs may have a dead application behind it."""
    connection = await lines.connect("ws://a")
    socket = lines.sockets[0]
    socket.answers = False
    socket.bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmations")
    lines.clock.now += DEFAULTS.feed_ping_interval_s
    await eventually(lambda: "ping" in socket.said, "the ping")
    lines.clock.now += DEFAULTS.feed_ping_timeout_s + 0.1
    assert await running == "no application pong"


async def test_it_ends_when_a_venue_that_always_speaks_is_silent(lines: Lines) -> None:
    """Kraken's heartbeats come every second."""
    lines.silence_s = 8.0
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"ack {B}")
    running = asyncio.create_task(ended(connection))
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmations")
    lines.clock.now += 8.1
    assert await running == "silence"


async def test_a_refusal_of_everything_ends_it(lines: Lines) -> None:
    """The next connection asks again."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring("no")
    assert await ended(connection) == "refused: nothing here"
    assert lines.refusals == ["nothing here"]


async def test_a_symbol_that_is_refused_costs_the_others_nothing(lines: Lines) -> None:
    """It is known, it is not waited for, and it is left to the next connection."""
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"no {B}", "serverShutdown")
    task = asyncio.create_task(connection.run())
    await eventually(connection.leaving.is_set, "the venue's warning")
    assert (connection.wanted, connection.asked, connection.complete) == ({A}, {A, B}, True)
    lines.clock.now += DEFAULTS.feed_ack_timeout_s + 0.1
    await eventually(lambda: lines.sockets[0].pings, "the ping that is due by then")
    assert not task.done()
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
    assert lines.sockets[0].said.count(f"subscribe {B}") == 1


async def test_a_symbol_that_is_refused_for_now_is_asked_for_again(lines: Lines) -> None:
    """On the same connection, until the venue grants it."""
    connection = await lines.connect("ws://a")
    socket = lines.sockets[0]
    socket.bring(f"ack {A}", f"wait {B}")
    task = asyncio.create_task(connection.run())
    await eventually(lambda: lines.refusals, "the refusal")
    lines.clock.now += 1
    await eventually(lambda: socket.said.count(f"subscribe {B}") == 2, "the second request")
    socket.bring(f"ack {B}")
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmation")
    assert lines.refusals == ["too many"]
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
