"""A dump of PostgreSQL brings the catalog back as it was then, and the sink reads again what came after it."""

import asyncio
import os
import subprocess
from pathlib import Path

from tests.faults.supervisor import until
from tests.restores.layers import nine_layers
from tests.restores.objects import copied
from tests.restores.steps import Steps
from tests.restores.world import Unequal, World

from k2_local.identity import identity_of
from k2_local.postgres import DATABASE, USER, program
from k2_local.stack_state import StackState
from k2_support.ports import HOST

_TABLE, _COMMITS = "bronze_crypto_trades", 24


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    dump = world.folder / "catalog.dump"
    with steps.step("backup: pg_dump while all agents work"):
        _postgres(world, "pg_dump", "--format=custom", f"--file={dump}")
        then = _rows(world)
    with steps.step("commits after it; then PostgreSQL and all of its data are gone"):
        await world.feed(20)
        await world.settle()
        await asyncio.to_thread(world.offload)
        await world.stop("iceberg_sink")
        now = _rows(world)
        await asyncio.to_thread(_lost, world)
    with steps.step("pg_restore: the catalog is as it was at the dump"):
        await asyncio.to_thread(_put_back, world, dump)
        if (found := _rows(world)) != then or found == now:
            raise Unequal(f"rows at the dump {then}, before the loss {now}, restored {found}")
    with steps.step("sink and offload go on from there: each table equals its topics, nine layers are equal"):
        await world.start("iceberg_sink")
        await world.feed(5)
        await world.settle()
        await asyncio.to_thread(world.offload)
        await asyncio.to_thread(nine_layers, world)
    await _with_the_bucket(world, steps)


async def _with_the_bucket(world: World, steps: Steps) -> None:
    """A dump of long ago needs the objects of its time: of former metadata the catalog keeps some versions alone."""
    dump, folder = world.folder / "whole.dump", world.folder / "whole"
    with steps.step("backup: the sink stopped, pg_dump and every object together"):
        await world.stop("iceberg_sink")
        _postgres(world, "pg_dump", "--format=custom", f"--file={dump}")
        await asyncio.to_thread(copied, world, "out", folder)
        await world.start("iceberg_sink")
    with steps.step("more commits than versions of metadata are kept; then PostgreSQL is gone"):
        for _ in range(_COMMITS):
            await _commit(world)
        await world.settle()
        await world.stop("iceberg_sink")
        await asyncio.to_thread(_lost, world)
    with steps.step("pg_restore alone: the sink says what lacks, and does nothing"):
        await asyncio.to_thread(_put_back, world, dump)
        await world.refuses("iceberg_sink", "XXXX")
    with steps.step("the objects copied back too: the sink goes on, each table equals its topics"):
        await asyncio.to_thread(copied, world, "back", folder)
        await world.start("iceberg_sink")
        await world.settle()


async def _commit(world: World) -> None:
    """One more commit of a table."""
    before = _head(world)
    await world.feed(1)
    await until(lambda: asyncio.to_thread(lambda: _head(world) != before), "a commit")


def _head(world: World) -> int | None:
    head: int | None = dict(world.told.tables(world.environment))[_TABLE].metadata.current_snapshot_id
    return head


def _rows(world: World) -> dict[str, int]:
    """How many rows each table has, as a reader finds it."""
    return {name: table.scan().count() for name, table in world.told.tables(world.environment)}


def _lost(world: World) -> None:
    world.stack.down(only=["rest_catalog"])
    world.lose("postgres")


def _put_back(world: World, dump: Path) -> None:
    """An empty server takes the dump before the catalog uses it."""
    world.stack.up()
    world.stack.down(only=["rest_catalog"])
    _postgres(world, "pg_restore", "--clean", "--if-exists", "--exit-on-error", str(dump))
    world.stack.up()


def _postgres(world: World, name: str, *words: str) -> None:
    """Run a program of PostgreSQL's as the catalog's own user."""
    state = world.stack.settings.state
    port = StackState(state).ports()["postgres"]
    address = [f"--host={HOST}", f"--port={port}", f"--username={USER}", f"--dbname={DATABASE}"]
    login = {"PGPASSWORD": identity_of(state).password_of(USER, "postgres")}
    done = subprocess.run(
        [program(name), *address, *words], env={**os.environ, **login}, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise Unequal(f"{name}: exit {done.returncode}: {done.stderr[-500:]}")
