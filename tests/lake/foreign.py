"""A table or topic that is not what it was: the sink halts, an operator resolves it, and the rows are equal again."""

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable

from pyiceberg.types import StringType
from tests.by_hand import recreate_topic
from tests.faults.supervisor import ProcessExit, until
from tests.lake.world import TABLES, World, running
from tests.rounds import Done, Fault
from tests.warm.load import Load

from k2_shared.lake import iceberg
from k2_shared.lake.history import ancestors

_CONFIGURATION, _HALT, _AWAY = 2, 3, 4
_BACK = 5  # snapshots
_ENDS_S = 240.0  # a reader tries a minute and more before it gives up


def foreign() -> list[Fault]:
    """Each of them, under a sink that runs."""
    changes: dict[str, Callable[[World], Awaitable[Done]]] = {
        "rolled back": _rolled_back,
        "recreated": _recreated,
        "dropped": _dropped,
        "a column added elsewhere": _column_added,
    }
    return [
        *(Fault("table", seam, 2, functools.partial(change)) for seam, change in changes.items()),
        Fault("topic", "recreated", 1, _topic_recreated),
    ]


async def _rolled_back(world: World) -> Done:
    table = world.any_table()
    await world.flow(4)
    await asyncio.to_thread(_roll_back, world, table)
    ended = await world.sink.wait_end()
    return await _resolved(world, table, ended, "rolled back or changed by hand")


def _roll_back(world: World, name: str) -> None:
    table = world.table(name)
    head = table.metadata.current_snapshot_id
    before = [each.snapshot_id for each in ancestors(table.metadata, head)][_BACK]
    table.manage_snapshots().rollback_to_snapshot(before).commit()


async def _recreated(world: World) -> Done:
    """It is noticed as it happens, and again at the next start."""
    table = world.any_table()
    await asyncio.to_thread(_recreate, world, table)
    ended = await world.sink.wait_end()
    told = _said(ended, "recreated under a running sink")
    done = await _halted_again(world, table)
    return Done(told and done.proven, done.proof)


def _recreate(world: World, name: str) -> None:
    catalog = world.catalog()
    catalog.drop_table((iceberg.namespace(world.names), name))
    iceberg.create(catalog, world.names, TABLES[name])


async def _dropped(world: World) -> Done:
    """The next start asks for it, k2 init makes it, and it is filled from Kafka's beginning."""
    table = world.any_table()
    await asyncio.to_thread(world.catalog().drop_table, (iceberg.namespace(world.names), table))
    ended = await world.sink.wait_end()
    told = _said(ended, "was dropped under a running sink")
    world.sink.start()
    again = await world.sink.wait_end()
    made = await asyncio.to_thread(world.k2, "init")
    done = await _halted_again(world, table)
    proven = told and again.exit_code == _CONFIGURATION and made.returncode == 0 and done.proven
    return Done(proven, f"exits {ended.exit_code}, {again.exit_code}; init {made.returncode}; {done.proof}")


async def _halted_again(world: World, table: str) -> Done:
    world.sink.start()
    ended = await world.sink.wait_end()
    return await _resolved(world, table, ended, "holds no state of this sink")


async def _column_added(world: World) -> Done:
    """It is taken as it is, by the sink that runs and by the next one; rows go on without it."""
    table = world.any_table()
    await asyncio.to_thread(_alter, world, table, lambda schema: schema.add_column("note", StringType()))
    await _grown(world, table)
    await world.sink.end()
    await world.sink_up()
    await _grown(world, table)
    stood = await asyncio.to_thread(lambda: "note" in world.table(table).schema().column_names)
    await asyncio.to_thread(_alter, world, table, lambda schema: schema.delete_column("note"))
    return Done(stood and world.sink.running, f"{table} had it, and grew")


async def _grown(world: World, table: str) -> None:
    """Wait until there is another snapshot."""

    def head() -> int | None:
        return world.table(table).metadata.current_snapshot_id

    before = await asyncio.to_thread(head)
    await until(lambda: asyncio.to_thread(lambda: head() != before), f"another commit to {table}")


def _alter(world: World, name: str, change: Callable[..., object]) -> None:
    with world.table(name).update_schema() as schema:
        change(schema)


async def _topic_recreated(world: World) -> Done:
    """In a world of its own on the same servers: what the table has of the former topic stays.

    A sink that runs finds it anew, or its offsets beyond the end, whichever comes first; the next start finds it anew.
    """
    settings = world.settings.model_copy(update={"k2_prefix": f"w{uuid.uuid4().hex[:8]}."})
    async with running(settings, world.stack, world.folder, world.rng.randrange(10**6)) as own:
        await own.flow()
        if said := await own.settle():
            return Done(proven=False, proof=said[0])
        await own.load.pause()
        await own.arrived()  # what was written since
        table = own.any_table()
        topic = own.rng.choice(TABLES[table].topics)
        await recreate_topic(own.settings, own.names, topic)
        own.committed.begin_anew(topic)
        ended = await own.sink.wait_end(_ENDS_S)
        own.sink.start()
        again = await own.sink.wait_end()
        done = await _resolved(own, table, again, "", "--offsets", "drop")
        own.load = Load(own.settings, own.names, own.load.content)  # its producers do not know the former topic
        async with own.load.writing():
            await own.flow()
            said = await own.settle()
        proven = done.proven and not said and ended.exit_code in (_HALT, _AWAY)
        return Done(proven, "; ".join([f"{topic}: exit {ended.exit_code}", done.proof, *said]))


async def _resolved(world: World, table: str, ended: ProcessExit, reason: str, *options: str) -> Done:
    """The documented halt, a dry run, the resolution; then the sink goes on."""
    words = ("sink", "resolve", table, *options)
    tried = await asyncio.to_thread(world.k2, *words, "--dry-run")
    resolved = await asyncio.to_thread(world.k2, *words)
    await world.sink_up()
    halted = ended.exit_code == _HALT and _said(ended, reason)
    codes = (ended.exit_code, tried.returncode, resolved.returncode)
    is_same = tried.stdout == resolved.stdout
    return Done(halted and codes[1:] == (0, 0) and is_same, f"{table}: exits {codes}: {resolved.stdout[:100].strip()}")


def _said(ended: ProcessExit, reason: str) -> bool:
    return reason in ended.log.read_text(errors="replace")
