"""Catalog and objects of one time bring the lake back, however many commits came after it; the catalog alone does not.

Of a table's former metadata some versions are kept, and a dump names one of its own time.
"""

import asyncio

from tests.faults.supervisor import until
from tests.restores.database import lost, postgres, put_back
from tests.restores.objects import copied
from tests.restores.world import World
from tests.steps import Steps

_TABLE, _COMMITS = "bronze_crypto_trades", 24


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    dump, folder = world.folder / "whole.dump", world.folder / "whole"
    with steps.step("backup: the sink stopped, pg_dump and every object together"):
        await world.stop("iceberg_sink")
        postgres(world, "pg_dump", "--format=custom", f"--file={dump}")
        await asyncio.to_thread(copied, world, "out", folder)
        await world.start("iceberg_sink")
    with steps.step("more commits than versions of metadata are kept; then PostgreSQL is gone"):
        for _ in range(_COMMITS):
            await _commit(world)
        await world.settle()
        await world.stop("iceberg_sink")
        await asyncio.to_thread(lost, world)
    with steps.step("pg_restore alone: the sink says what lacks, and does nothing"):
        await asyncio.to_thread(put_back, world, dump)
        await world.refuses("iceberg_sink", "does not exist", code=2)
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
    found = next(table for name, table in world.told.tables(world.environment) if name == _TABLE)
    head: int | None = found.metadata.current_snapshot_id
    return head
