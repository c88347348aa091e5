"""A dump of PostgreSQL brings the catalog back as it was then, and the sink reads again what came after it."""

import asyncio
import os
import subprocess
from pathlib import Path

from tests.restores.layers import nine_layers
from tests.restores.world import Unequal, World
from tests.steps import Steps

from k2_local.identity import identity_of
from k2_local.postgres import DATABASE, USER, program
from k2_local.stack_state import StackState
from k2_support.ports import HOST


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    dump = world.folder / "catalog.dump"
    with steps.step("backup: pg_dump while all agents work"):
        postgres(world, "pg_dump", "--format=custom", f"--file={dump}")
        then = _rows(world)
    with steps.step("commits after it; then PostgreSQL and all of its data are gone"):
        await world.feed(10)
        await world.settle()
        await asyncio.to_thread(world.offload)
        await world.stop("iceberg_sink")
        now = _rows(world)
        await asyncio.to_thread(lost, world)
    with steps.step("pg_restore: the catalog is as it was at the dump"):
        await asyncio.to_thread(put_back, world, dump)
        if (found := _rows(world)) != then or found == now:
            raise Unequal(f"rows at the dump {then}, before the loss {now}, restored {found}")
    with steps.step("sink and offload go on from there: each table equals its topics, nine layers are equal"):
        await world.start("iceberg_sink")
        await world.feed(5)
        await world.settle()
        await asyncio.to_thread(world.offload)
        await asyncio.to_thread(nine_layers, world)


def _rows(world: World) -> dict[str, int]:
    """How many rows each table has, as a reader finds it."""
    return {name: table.scan().count() for name, table in world.told.tables(world.environment)}


def lost(world: World) -> None:
    """PostgreSQL and all of its data are gone. Blocks."""
    world.stack.down(only=["rest_catalog"])
    world.lose("postgres")


def put_back(world: World, dump: Path) -> None:
    """An empty server takes the dump before the catalog uses it. Blocks."""
    world.stack.up()
    world.stack.down(only=["rest_catalog"])
    postgres(world, "pg_restore", "--clean", "--if-exists", "--exit-on-error", str(dump))
    world.stack.up()


def postgres(world: World, name: str, *words: str) -> None:
    """Run a program of PostgreSQL's as the catalog's own user. Blocks.

    Raises:
        Unequal: it fails.
    """
    state = world.stack.settings.state
    port = StackState(state).ports()["postgres"]
    address = [f"--host={HOST}", f"--port={port}", f"--username={USER}", f"--dbname={DATABASE}"]
    login = {"PGPASSWORD": identity_of(state).password_of(USER, "postgres")}
    done = subprocess.run(
        [program(name), *address, *words], env={**os.environ, **login}, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise Unequal(f"{name}: exit {done.returncode}: {done.stderr[-500:]}")
