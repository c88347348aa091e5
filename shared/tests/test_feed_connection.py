"""One connection with a socket by hand: confirmations, pings, and silence, each with its deadline."""

import asyncio

import pytest
from shared.tests.toy_lines import A, B, lines_by_hand

from k2_shared.feed.connection import Connection
from k2_shared.feed.transport import Disconnected
from k2_shared.testing.waiting import eventually


async def ended(connection: Connection) -> str:
    with pytest.raises(Disconnected) as found:
        await asyncio.wait_for(connection.run(), 10)
    return str(found.value)


async def test_it_ends_when_a_symbol_is_not_confirmed_in_time() -> None:
    """Trades of another symbol do not extend the deadline."""
    lines = lines_by_hand(feed_ack_timeout_s=0.2)
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"trade {A} 1")
    assert await ended(connection) == f"not confirmed: {B}"
    assert lines.sockets[0].aborted
    assert connection.confirmed == {A}


async def test_it_ends_when_the_application_does_not_answer_a_ping() -> None:
    """A socket whose protocol pongs may have a dead application behind it."""
    lines = lines_by_hand(feed_ping_interval_s=0.1, feed_ping_timeout_s=0.1)
    connection = await lines.connect("ws://a")
    lines.sockets[0].answers = False
    lines.sockets[0].bring(f"ack {A}", f"ack {B}")
    assert await ended(connection) == "no application pong"


async def test_it_ends_when_a_venue_that_always_speaks_is_silent() -> None:
    """Kraken's heartbeats come every second."""
    lines = lines_by_hand()
    lines.silence_s = 0.1
    connection = await lines.connect("ws://a")
    assert await ended(connection) == "silence"


async def test_a_refusal_of_everything_ends_it() -> None:
    """The next connection asks again."""
    lines = lines_by_hand()
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring("no")
    assert await ended(connection) == "refused: nothing here"
    assert lines.refusals == ["nothing here"]


async def test_a_symbol_that_is_refused_costs_the_others_nothing() -> None:
    """It is known, it is not waited for, and it is left to the next connection."""
    lines = lines_by_hand(feed_ack_timeout_s=0.2)
    connection = await lines.connect("ws://a")
    lines.sockets[0].bring(f"ack {A}", f"no {B}", "serverShutdown")
    task = asyncio.create_task(connection.run())
    await eventually(connection.leaving.is_set, "the venue's warning")
    assert (connection.wanted, connection.asked, connection.complete) == ({A}, {A, B}, True)
    await asyncio.sleep(0.4)  # past the deadline of a confirmation
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
    assert lines.sockets[0].said.count(f"subscribe {B}") == 1


async def test_a_symbol_that_is_refused_for_now_is_asked_for_again() -> None:
    """On the same connection, until the venue grants it."""
    lines = lines_by_hand()
    connection = await lines.connect("ws://a")
    socket = lines.sockets[0]
    socket.bring(f"ack {A}", f"wait {B}")
    task = asyncio.create_task(connection.run())
    await eventually(lambda: socket.said.count(f"subscribe {B}") == 2, "the second request")
    socket.bring(f"ack {B}")
    await eventually(lambda: connection.confirmed == {A, B}, "the confirmation")
    assert lines.refusals == ["too many"]
    connection.give_up("enough")
    with pytest.raises(Disconnected, match="enough"):
        await task
