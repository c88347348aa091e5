"""What contradicts the order in which one sink works: lost answers, two sinks, set back groups, emptied tables."""

import asyncio
import functools
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tests.by_hand import To, set_group
from tests.rounds import Done, Fault
from tests.sinks_under_load import either_dies
from tests.warm.faults import PARTITIONED, WIDE_DAYS, half_of, inserting, met
from tests.warm.kills import server_dies
from tests.warm.world import TABLES, World

from k2_support.http_proxy import Change, ProxyRule

Sink = Literal["dead", "running"]
_STORM = 4


def disorders() -> list[Fault]:
    """Each of them."""
    sinks: tuple[Sink, ...] = ("dead", "running")
    targets: tuple[To, ...] = ("0", "random offsets", "the ends")
    return [
        Fault("answers lost", "landed whole", 2, functools.partial(lost, how="whole")),
        Fault("answers lost", "landed by half", 3, functools.partial(lost, how="half")),
        Fault("answers lost", "body cut off", 2, functools.partial(lost, how="cut")),
        Fault("answers lost", "refused as 503", 1, _refused),
        Fault("two sinks", "side by side", 2, _two_sinks),
        Fault("two sinks", "halves of both", 2, two_sinks_by_half),
        *(Fault("group set", f"to {to}", 1, functools.partial(group_set, to=to)) for to in targets),
        *(Fault("table emptied", f"sink {sink}", 2, functools.partial(emptied, sink=sink)) for sink in sinks),
        *(Fault("server restored", f"sink {sink}", 2, functools.partial(_restored, sink=sink)) for sink in sinks),
        Fault("server restored", "to between halves", 2, _restored_to_half),
        Fault("duplicates", "most of the deliveries", 1, functools.partial(_storm, repeats=0.8, garbage=0.1)),
        Fault("garbage", "most of the deliveries", 1, functools.partial(_storm, repeats=0.1, garbage=0.9)),
    ]


async def lost(world: World, how: Literal["whole", "half", "cut"], table: str = "") -> Done:
    """Several inserts into a table, or into any of days, land in part or whole, and are not answered."""
    table = table or world.rng.choice(PARTITIONED)
    changes: Mapping[str, Change] = {
        "whole": lambda body: body,
        "half": half_of(table, world.rng),
        "cut": lambda body: body[: world.rng.randrange(len(body))],
    }
    rule = ProxyRule(inserting(table), None, after=True, change=changes[how], times=_STORM)
    world.load.content.days = WIDE_DAYS
    with world.proxy.ruled(rule):
        await met(rule, _STORM)
    world.load.content.days = 3
    return Done(world.sink.running, f"{rule.done} inserts into {table}")


async def _refused(world: World) -> Done:
    with world.proxy.refusing(503, inserting()) as rule:
        await met(rule, _STORM)
    return Done(world.sink.running, f"{rule.done} inserts")


async def _two_sinks(world: World) -> Done:
    """Then either one dies."""
    other = world.sinks[1]
    other.start()
    await other.ready()
    await world.flow(12)
    return await either_dies(world)


async def two_sinks_by_half(world: World, table: str = "") -> Done:
    """An insert of each lands by half; both die."""
    other = world.sinks[1]
    other.start()
    await other.ready()
    table = table or world.rng.choice(PARTITIONED)
    rule = ProxyRule(inserting(table), None, after=True, change=half_of(table, world.rng), times=_STORM)
    world.load.content.days = WIDE_DAYS
    with world.proxy.ruled(rule):
        await met(rule, _STORM)
        await world.stop_sinks()
    world.load.content.days = 3
    await world.sink_up()
    return Done(rule.done == _STORM, f"{rule.done} halves in {table}")


async def group_set(world: World, to: To, table: str = "") -> Done:
    """As an operator would, of a table or of any, between two runs of the sink."""
    await world.sink.end(signal.SIGKILL)
    await world.flow(4)
    table = table or world.rng.choice(list(TABLES))
    every = [at for topic in TABLES[table].topics for at in world.names.partitions(topic)]
    moved = await set_group(world.settings, world.names.warm_group(table), every, to, world.rng)
    await world.sink_up()
    return Done(bool(moved), f"{table}, {len(moved)} partitions")


async def emptied(world: World, sink: Sink, table: str = "") -> Done:
    """A table, or any, loses all that it has."""
    table = table or world.rng.choice(list(TABLES))
    if sink == "dead":
        await world.sink.end(signal.SIGKILL)
    had = await asyncio.to_thread(world.tables.count, table)
    await asyncio.to_thread(world.tables.command, f"TRUNCATE TABLE {table}")
    await world.flow(4)
    await world.sink_up()
    await world.flow(8)
    return Done(had > 0, f"{table} had {had} rows")


async def _restored(world: World, sink: Sink) -> Done:
    """The server gets the folder that it had some batches ago."""
    await world.server_down()
    kept = await asyncio.to_thread(_keep, world)
    await world.server_up()
    return await _back_to(world, kept, sink)


async def _restored_to_half(world: World) -> Done:
    """It had that folder while half of an insert had landed."""
    await server_dies(world, "between its halves")
    kept = await asyncio.to_thread(_keep, world)
    await world.server_up()
    return await _back_to(world, kept, world.rng.choice(("dead", "running")))


async def _back_to(world: World, kept: Path, sink: Sink) -> Done:
    await world.flow(16)
    await world.arrived()
    if sink == "dead":
        await world.sink.end(signal.SIGKILL)
    had = await asyncio.to_thread(world.counted)
    await world.server_down()
    await asyncio.to_thread(_put_back, world, kept)
    with world.proxy.cut():
        await world.server_up()
        lost = had - await asyncio.to_thread(world.counted)
    await world.sink_up()
    await world.flow(8)
    return Done(lost > 0, f"{lost} rows lost, sink {sink}")


def _keep(world: World) -> Path:
    kept = world.folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    return Path(shutil.copytree(world.server.data, kept, symlinks=True))


def _put_back(world: World, kept: Path) -> None:
    for each in world.server.data.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    shutil.copytree(kept, world.server.data, symlinks=True, dirs_exist_ok=True)


async def _storm(world: World, repeats: float, garbage: float) -> Done:
    """For a while, most of the deliveries are such."""
    content = world.load.content
    before = content.repeats, content.garbage
    content.repeats, content.garbage = repeats, garbage
    await world.flow(12)
    content.repeats, content.garbage = before
    return Done(world.sink.running, "12 batches")
