"""Every object copied out of the bucket and back into an empty one: the tables read the same, and the sink goes on."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.restores.layers import nine_layers
from tests.restores.steps import Steps
from tests.restores.world import Unequal, World, demand

_ROOT = Path(__file__).parents[2]
_PART, _BUCKET = "seaweed", "lake"
_EMPTY = "0 files, 0 bytes in lake"


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    folder, nothing = world.folder / "bucket", world.folder / "nothing"
    with steps.step("backup: who writes to the lake is stopped, every object copied to a folder"):
        await asyncio.to_thread(world.offload)
        await world.stop("iceberg_sink")
        copied = await asyncio.to_thread(_bucket, world, "out", folder)
    with steps.step("lost: the store starts with an empty bucket"):
        await asyncio.to_thread(world.lose, _PART)
        await asyncio.to_thread(world.stack.up)
        nothing.mkdir()
        if (found := await asyncio.to_thread(_bucket, world, "back", nothing)) != _EMPTY:
            raise Unequal(f"the bucket should be empty: {found}")
    with steps.step("copied back: every table of lake and cold reads the same"):
        back = await asyncio.to_thread(_bucket, world, "back", folder)
        if back.partition(" in ")[0] != copied.partition(" in ")[0]:
            raise Unequal(f"{copied}, and {back}")
        demand(await asyncio.to_thread(world.unequal))
        await asyncio.to_thread(nine_layers, world)
    with steps.step("the sink goes on: each table equals its topics"):
        await world.start("iceberg_sink")
        await world.feed(10)
        await world.settle()


def _bucket(world: World, way: str, folder: Path) -> str:
    """What the page's program says."""
    command = [sys.executable, str(_ROOT / "deploy" / "copy_bucket.py"), way, _BUCKET, str(folder)]
    done = subprocess.run(command, env={**os.environ, **world.environment}, capture_output=True, text=True, timeout=240)
    if done.returncode:
        raise Unequal(f"deploy/copy_bucket.py {way}: exit {done.returncode}: {done.stderr[-500:]}")
    return done.stdout.strip()
