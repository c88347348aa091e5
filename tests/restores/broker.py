"""The broker's folder, copied while it is stopped, brings everything back; too old a copy is refused by the sinks."""

import asyncio
import subprocess
from pathlib import Path

from tests.restores.broker_content import everything, unlike
from tests.restores.world import SINKS, STAGES, World, demand
from tests.steps import Steps

_PART = "kafka"


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    with steps.step("backup: agents and broker stopped, its folder copied"):
        await world.stop(*STAGES, *SINKS)
        before = await everything(world.settings, world.names)
        await asyncio.to_thread(world.stack.down, only=[_PART])
        archive = world.folder / "kafka.tar"
        _tar("-C", str(world.stack.settings.state), "-cf", str(archive), _PART)
    with steps.step("lost and restored: records, offsets of groups, transactional ids are the same"):
        await _put_back(world, archive)
        demand(unlike(before, await everything(world.settings, world.names)))
    with steps.step("the agents go on: each table equals its topics"):
        await world.start(*STAGES, *SINKS)
        await world.feed(10)
        await world.settle()
    with steps.step("a backup older than the tables: both sinks refuse and say what was lost"):
        await world.stop(*STAGES, *SINKS)
        await _put_back(world, archive)
        await world.refuses("iceberg_sink", "Kafka was cut short")
        await world.refuses("warm_sink", "Kafka has lost records")
    with steps.step("lake and warm tier made anew of what that broker has: each table equals its topics"):
        world.told.begin_anew()
        await asyncio.to_thread(world.k2, "lake", "reset", "--yes")
        await asyncio.to_thread(world.lose, "clickhouse")
        await asyncio.to_thread(world.stack.up)
        await asyncio.to_thread(world.k2, "init")
        await world.start(*STAGES, *SINKS)
        await world.feed(10)
        await world.settle()


async def _put_back(world: World, archive: Path) -> None:
    """The broker starts on its folder as the archive has it."""
    await asyncio.to_thread(world.lose, _PART)
    _tar("-C", str(world.stack.settings.state), "-xf", str(archive))
    await asyncio.to_thread(world.stack.up)


def _tar(*words: str) -> None:
    subprocess.run(["tar", *words], check=True, timeout=120)
