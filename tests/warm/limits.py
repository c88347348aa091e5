"""A server that is away for minutes, or lacks parts, memory or disk: the sink waits, says so, and goes on."""

import asyncio
import functools
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.disk import fill
from tests.faults.supervisor import until
from tests.rounds import Done, Fault
from tests.warm.faults import WIDE_DAYS
from tests.warm.world import TABLES, World

from k2_shared.core.errors import Unavailable

AWAY_S = 125.0
_LITTLE_MEMORY = 2_097_152
_REFUSED_S = 120.0
_FEW_PARTS = {"parts_to_delay_insert": 2, "parts_to_throw_insert": 3}
_NO_SPACE = {"min_free_disk_bytes_to_perform_insert": 10**15}


def limits() -> list[Fault]:
    """Each of them."""
    return [
        Fault("server away", "dead for two minutes", 1, functools.partial(_away, is_frozen=False)),
        Fault("server away", "frozen for two minutes", 1, functools.partial(_away, is_frozen=True)),
        Fault("too many parts", "in one table", 2, _too_many_parts),
        Fault("no memory", "for any insert", 2, _no_memory),
        Fault("disk", "space to be kept free", 2, _kept_free),
        Fault("disk", "full", 3, _full),
        Fault("disk", "full, and the server dies", 3, functools.partial(_full, is_killed=True)),
        Fault("kafka", "cut off", 2, _broker_cut_off),
        Fault("kafka", "broker ended", 1, _broker_ended),
    ]


async def _away(world: World, is_frozen: bool) -> Done:
    """For longer than two minutes, while records arrive."""
    written = world.load.batches
    if is_frozen:
        world.server.child.signal(signal.SIGSTOP)
    else:
        await world.server_down()
    await asyncio.sleep(AWAY_S)
    waited = _said(world)
    if is_frozen:
        world.server.child.signal(signal.SIGCONT)
    await world.server_up()
    return Done("attempt" in waited, f"{world.load.batches - written} batches meanwhile; {waited[:60]}")


async def _too_many_parts(world: World) -> Done:
    table = world.rng.choice(list(TABLES))
    async with _altered(world, table, _FEW_PARTS):
        await _command(world, f"SYSTEM STOP MERGES {table}")
        world.load.content.days = WIDE_DAYS
        try:
            return await _refused(world, "Too many parts", table)
        finally:
            world.load.content.days = 3
            await _command(world, f"SYSTEM START MERGES {table}")


async def _no_memory(world: World) -> Done:
    async def limited(**limits: float) -> None:
        await world.server_down()
        world.server.limits = limits
        await world.server_up()

    await limited(query_memory=_LITTLE_MEMORY)
    try:
        return await _refused(world, "memory limit exceeded")
    finally:
        await limited()


async def _kept_free(world: World) -> Done:
    """The server refuses what would leave too little space."""
    table = world.rng.choice(list(TABLES))
    async with _altered(world, table, _NO_SPACE):
        return await _refused(world, "enough free space", table)


@asynccontextmanager
async def _altered(world: World, table: str, settings: Mapping[str, int]) -> AsyncIterator[None]:
    """A table with other settings for the length of the block."""
    given = ", ".join(f"{name} = {value}" for name, value in settings.items())
    await _command(world, f"ALTER TABLE {table} MODIFY SETTING {given}")
    try:
        yield
    finally:
        await _command(world, f"ALTER TABLE {table} RESET SETTING {', '.join(settings)}")


async def _command(world: World, sql: str) -> None:
    await asyncio.to_thread(world.tables.command, sql)


async def _full(world: World, *, is_killed: bool = False) -> Done:
    """The server's disk has not a byte left."""
    if not world.has_own_disk:
        return await _kept_free(world)
    ballast = world.server.data / "ballast"
    filled = await asyncio.to_thread(fill, ballast)
    try:
        done = await _refused(world, "attempt")
        if is_killed:
            await world.server_down()
    finally:
        ballast.unlink()
    await world.server_up()
    await world.sink_up()
    return Done(done.proven and filled > 0, f"{filled >> 20} MiB of ballast; {done.proof}")


async def _refused(world: World, reason: str, table: str = "") -> Done:
    """Wait until the sink says why it waits."""
    said: list[str] = []

    def says() -> bool:
        said[:] = [each for each in [_said(world, table)] if reason in each]
        return bool(said) or not world.sink.running

    await until(lambda: asyncio.to_thread(says), f"{reason!r} of the sink", _REFUSED_S)
    world.sink.note()
    ended = "" if world.sink.running else f"the sink ended: {world.sink.ended[-1].exit_code}"
    return Done(bool(said) and not ended, ended or said[0][:200])


def _said(world: World, table: str = "") -> str:
    """What the sink waits for; of one table where it is named."""
    child = world.sink.child
    try:
        found = child.missing() if child else []
    except Unavailable:
        return ""
    return "; ".join(each for each in found if each.startswith(table))


async def _broker_cut_off(world: World) -> Done:
    """The sink reaches no broker for a while."""
    with world.broker.cut():
        await world.flow(world.rng.randrange(8, 30))
    return Done(world.sink.running, "for some batches")


async def _broker_ended(world: World) -> Done:
    """It stops in order, and comes back."""
    await world.load.pause()
    await asyncio.to_thread(world.stack.down, only=["kafka"])
    await asyncio.to_thread(world.stack.up)
    world.load.resume()
    await world.flow()
    return Done(world.sink.running, "stopped and started")
