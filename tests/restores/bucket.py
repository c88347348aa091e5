"""Every object copied out of the bucket and back into an empty one: the tables read the same, and the sink goes on."""

import asyncio

from tests.restores.layers import nine_layers
from tests.restores.objects import copied
from tests.restores.world import Unequal, World, demand
from tests.steps import Steps

_PART = "seaweed"
_EMPTY = "0 files, 0 bytes in lake"


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    folder, nothing = world.folder / "bucket", world.folder / "nothing"
    with steps.step("backup: who writes to the lake is stopped, every object copied to a folder"):
        await asyncio.to_thread(world.offload)
        await world.stop("iceberg_sink")
        out = await asyncio.to_thread(copied, world, "out", folder)
    with steps.step("lost: the store starts with an empty bucket"):
        await asyncio.to_thread(world.lose, _PART)
        await asyncio.to_thread(world.stack.up)
        nothing.mkdir()
        if (found := await asyncio.to_thread(copied, world, "back", nothing)) != _EMPTY:
            raise Unequal(f"the bucket should be empty: {found}")
    with steps.step("copied back: every table of lake and cold reads the same"):
        back = await asyncio.to_thread(copied, world, "back", folder)
        if back.partition(" in ")[0] != out.partition(" in ")[0]:
            raise Unequal(f"{out}, and {back}")
        demand(await asyncio.to_thread(world.unequal))
        await asyncio.to_thread(nine_layers, world)
    with steps.step("the sink goes on: each table equals its topics"):
        await world.start("iceberg_sink")
        await world.feed(10)
        await world.settle()
