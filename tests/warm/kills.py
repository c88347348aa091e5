"""A sink or a server that dies at a chosen moment of an insert, of a commit, or of a start."""

import asyncio
import functools
import itertools
import signal
from collections.abc import Callable
from typing import Literal

from tests.faults.apis import OFFSET_COMMIT
from tests.faults.supervisor import until
from tests.rounds import Done, Fault
from tests.sinks_under_load import ended, killed_at_start, stopped
from tests.warm.faults import PARTITIONED, WIDE_DAYS, half_of, inserting, met
from tests.warm.halves import places
from tests.warm.world import TABLES, World

from k2_support.http_proxy import ProxyRule

Moment = Literal["before the insert", "between its halves", "landed, not answered"]
MOMENTS: tuple[Moment, ...] = ("before the insert", "between its halves", "landed, not answered")
_LONGEST_INSERT_S = 0.06


def kills() -> list[Fault]:
    """Every way in which one of the two dies."""
    return [
        *(Fault("sink killed", moment, 3, functools.partial(sink_dies, moment=moment)) for moment in MOMENTS),
        Fault("sink killed", "committed, not answered", 3, _sink_at_commit),
        Fault("sink killed", "after a commit", 2, _sink_after_commit),
        Fault("sink killed", "at its start", 2, killed_at_start),
        Fault("sink stopped", "in order, under load", 1, stopped),
        *(Fault("server killed", moment, 3, functools.partial(server_comes_back, moment=moment)) for moment in MOMENTS),
        Fault("server killed", "within an insert of many days", 3, _server_within),
        Fault("server killed", "while the sink starts", 2, _server_at_start),
    ]


def rule_at(world: World, moment: Moment, meanwhile: Callable[[], object], table: str = "") -> ProxyRule:
    """What does something at a moment of the next insert into a table, or into any; its answer does not arrive."""
    halves = moment == "between its halves"
    table = table or world.rng.choice(PARTITIONED if halves else list(TABLES))
    rule = ProxyRule(
        inserting(table), None, moment != "before the insert", meanwhile=lambda: meanwhile() and None, times=1
    )
    if halves:
        rule.change = half_of(table, world.rng)
    return rule


async def at(world: World, moment: Moment, meanwhile: Callable[[], object], table: str = "") -> None:
    """Let something happen at a moment of the next insert, of many days."""
    rule = rule_at(world, moment, meanwhile, table)
    world.load.content.days = WIDE_DAYS
    with world.proxy.ruled(rule):
        await met(rule)
    world.load.content.days = 3


async def sink_dies(world: World, moment: Moment, table: str = "") -> Done:
    """Kill the sink at a moment of the next insert, and start it again."""
    await at(world, moment, lambda: world.sink.send(signal.SIGKILL), table)
    return await ended(world)


async def _sink_at_commit(world: World) -> Done:
    """The broker has the commit, the sink never learns of it."""
    lost = world.broker.inject(OFFSET_COMMIT, "drop")
    await until(lambda: lost.done, "a commit whose answer is lost")
    world.sink.send(signal.SIGKILL)
    world.broker.clear()
    return await ended(world)


async def _sink_after_commit(world: World) -> Done:
    """The answer has passed."""
    passed = world.broker.inject(OFFSET_COMMIT, "delay")
    await until(lambda: passed.felt, "a commit")
    world.sink.send(signal.SIGKILL)
    world.broker.clear()
    return await ended(world)


async def server_dies(world: World, moment: Moment, table: str = "") -> None:
    """Kill the server at a moment of the next insert."""
    await at(world, moment, world.server.kill, table)
    await until(lambda: not world.server.is_running, "the server's end")


async def server_comes_back(world: World, moment: Moment, table: str = "") -> Done:
    """The same, and start it again after a while."""
    await server_dies(world, moment, table)
    return await _back(world)


async def _server_within(world: World) -> Done:
    """It dies while it writes the parts of one insert."""
    bodies: list[bytes] = []
    table = world.rng.choice(["silver_trades", "gold_trades"])
    delay_s = world.rng.uniform(0.0, _LONGEST_INSERT_S)

    def dying(body: bytes) -> bytes:
        bodies.append(body)
        loop.call_soon_threadsafe(loop.call_later, delay_s, world.server.kill)
        return body

    loop = asyncio.get_running_loop()
    world.load.content.days = WIDE_DAYS
    rule = ProxyRule(inserting(table), None, after=True, change=dying, times=1)
    with world.proxy.ruled(rule):
        await until(lambda: bodies and not world.server.is_running, "the server's end")
    world.load.content.days = 3
    wanted = places(bodies[0])
    with world.proxy.cut():
        await world.server_up()
        landed = len(wanted & await asyncio.to_thread(world.places, table))
    return Done(proven=True, proof=f"{landed} of {len(wanted)} rows of the insert had landed")


async def _server_at_start(world: World) -> Done:
    """At a random request of the sink's start."""
    await world.sink.end(signal.SIGKILL)
    world.sink.start()
    passing, seen = world.rng.randrange(12), itertools.count()
    rule = ProxyRule(lambda _method, _path: next(seen) >= passing, None, meanwhile=world.server.kill)
    with world.proxy.ruled(rule):
        await until(lambda: not world.server.is_running, "the server's end")
    done = await _back(world)
    await world.sink_up()
    return done


async def _back(world: World) -> Done:
    down = not world.server.is_running
    await world.flow(world.rng.randrange(1, 12))
    await world.server_up()
    return Done(down, f"sink {'up' if world.sink.running else 'down'} meanwhile")
