"""A supervisor with sockets by hand: reconnect, failover, and rotation that makes before it breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest
from shared.tests.feed.hand_feed import A, B, HandFeed, HandSocket, feed_by_hand

from k2_shared.core.errors import Unavailable
from k2_shared.feed.coverage.feed_records import Cause
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.transport.supervisor import ConnectionSupervisor
from k2_support.waiting import eventually

ROTATE_AFTER_S = 4 * 3_600.0


@pytest.fixture
def feed() -> HandFeed:
    return feed_by_hand()


@dataclass
class Running:
    """A supervisor at work."""

    feed: HandFeed
    task: asyncio.Task[None]

    async def socket(self, number: int) -> HandSocket:
        await eventually(lambda: len(self.feed.sockets) > number, f"socket {number}")
        return self.feed.sockets[number]

    async def deliver(self, number: int, *symbols: str) -> HandSocket:
        """Confirm both symbols and bring a trade of some."""
        socket = await self.socket(number)
        socket.bring(f"ack {A}", f"ack {B}", *(f"trade {symbol} {number + 1}" for symbol in symbols))
        return socket

    async def aged(self) -> HandSocket:
        """The first socket, which delivers both symbols and has reached its age."""
        first = await self.deliver(0, A, B)
        await eventually(lambda: f"trade {B} 1" in self.feed.taken, "a trade of the first one")
        self.feed.clock.now += ROTATE_AFTER_S
        return first


@pytest.fixture
async def start(feed: HandFeed) -> AsyncIterator[Callable[..., Running]]:
    tasks: list[asyncio.Task[None]] = []

    def begin(urls: Sequence[str] = ("ws://a",)) -> Running:
        supervisor = ConnectionSupervisor(
            connector=feed,  # type: ignore[arg-type]
            reports=feed,  # type: ignore[arg-type]
            settings=feed.settings,
            endpoints=Endpoints(urls, 2),
            rotate_after_s=ROTATE_AFTER_S,
            quiet=feed.quiet,
            outlast_congestion=feed.outlast_congestion,
            clock=feed.clock,
        )
        tasks.append(asyncio.create_task(supervisor.run()))
        return Running(feed, tasks[-1])

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_connection_that_ends_is_replaced(start: Callable[..., Running], feed: HandFeed) -> None:
    """What is missing then is owed to the reconnect."""
    running = start()
    (await running.deliver(0, A)).waiting.put_nowait(None)
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in feed.taken, "a trade of the second connection")
    assert feed.gone == [Cause.RECONNECT]
    assert feed.lost_to == ["closed by the peer"]


async def test_the_new_socket_delivers_before_the_old_one_closes(start: Callable[..., Running], feed: HandFeed) -> None:
    """Make before break: both are there until every symbol has come through the new one."""
    running = start()
    await running.aged()
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in feed.taken, "a trade of the new one")
    assert len(feed.present) == 2
    (await running.socket(1)).bring(f"trade {B} 2")
    await eventually(lambda: feed.outcomes, "the rotation")
    assert feed.outcomes[0] == "delivered"
    await eventually(lambda: feed.gone, "the old one's end")
    assert feed.gone[0] is Cause.ROTATION
    assert not feed.lost_to


async def test_a_quiet_symbol_counts_as_delivered(start: Callable[..., Running], feed: HandFeed) -> None:
    """Where the venue has nothing newer than what was captured."""
    feed.silent = {B}
    running = start()
    await running.aged()
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in feed.taken, "a trade of the new one")
    assert not feed.outcomes
    feed.clock.now += 5
    await eventually(lambda: feed.outcomes, "the rotation")
    assert feed.outcomes[0] == "delivered"


async def test_the_deadline_ends_the_overlap(start: Callable[..., Running], feed: HandFeed) -> None:
    """What the new one has not delivered by then is for the backfill to prove."""
    running = start()
    await running.aged()
    await running.deliver(1, A)
    await eventually(lambda: f"trade {A} 2" in feed.taken, "a trade of the new one")
    assert not feed.outcomes
    feed.clock.now += feed.settings.feed_rotate_deadline_s + 0.1
    await eventually(lambda: feed.outcomes, "the rotation")
    assert feed.outcomes[0] == "deadline"


async def test_a_rotation_that_fails_keeps_the_old_socket(start: Callable[..., Running], feed: HandFeed) -> None:
    """There is nothing to hand over to; it is tried again."""
    feed.opens = lambda number: number != 1
    running = start()
    first = await running.aged()
    await eventually(lambda: feed.outcomes == ["failed"], "the failure")
    first.bring(f"trade {A} 7")
    await eventually(lambda: f"trade {A} 7" in feed.taken, "a trade of the old one")
    feed.clock.now += 1
    await running.deliver(2, A, B)
    await eventually(lambda: feed.outcomes[-1] == "delivered", "the second try")


async def test_a_supervisor_that_is_cancelled_while_it_retires_leaves_nothing_behind(
    start: Callable[..., Running], feed: HandFeed
) -> None:
    """Neither the old socket nor its successor captures on."""
    running = start()
    (await running.aged()).closes = False
    await running.deliver(1, A, B)
    await eventually(feed.sockets[0].closing.is_set, "the retirement")
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)
    assert [socket.aborted for socket in feed.sockets] == [True, True]
    assert not feed.present


async def test_an_old_socket_that_cannot_say_goodbye_does_not_cost_the_new_one(
    start: Callable[..., Running], feed: HandFeed
) -> None:
    """It has delivered, and stays."""
    running = start()
    (await running.aged()).breaks = True
    second = await running.deliver(1, A, B)
    await eventually(lambda: feed.gone, "the old one's end")
    second.bring(f"trade {A} 9")
    await eventually(lambda: f"trade {A} 9" in feed.taken, "a trade of the new one")
    assert feed.gone == [Cause.ROTATION]
    assert not feed.lost_to


async def test_a_venue_that_says_goodbye_is_left_in_order(start: Callable[..., Running], feed: HandFeed) -> None:
    """serverShutdown is a rotation, whatever the age."""
    running = start()
    (await running.deliver(0, A, B)).bring("serverShutdown")
    await running.deliver(1, A, B)
    await eventually(lambda: feed.outcomes == ["delivered"], "the rotation")


async def test_an_endpoint_that_fails_gives_way_to_the_next(start: Callable[..., Running], feed: HandFeed) -> None:
    """Of the same venue; it is told."""
    feed.opens = lambda number: number > 1
    start(urls=("ws://a", "ws://b"))
    await eventually(lambda: len(feed.told) == 2, "word of both")
    assert feed.connections[0].url == "ws://b"
    assert feed.told == ["failed over to ws://b", "connected to ws://b"]


async def test_it_gives_up_after_its_attempts_unless_another_delivers(
    start: Callable[..., Running], feed: HandFeed
) -> None:
    """An idle process would look alive; one that still captures must not end."""
    feed.settings = feed.settings.model_copy(update={"feed_connect_attempts": 3})
    feed.opens = lambda number: False
    feed.alive = True
    running = start()
    await eventually(lambda: len(feed.sockets) > 6, "more attempts than allowed")
    feed.alive = False
    with pytest.raises(Unavailable, match="times in a row"):
        await asyncio.wait_for(running.task, 60)


async def test_a_connection_is_given_up_while_kafka_has_no_capacity(
    start: Callable[..., Running], feed: HandFeed
) -> None:
    """It is no failure of the venue's; the backfill has what is missed."""
    feed.full = True
    running = start()
    await running.deliver(0, A)
    await running.deliver(1, A)
    assert feed.told[1:3] == ["congested", "the congestion is over"]
