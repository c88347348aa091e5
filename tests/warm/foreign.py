"""A topic that is another one: made anew or repartitioned under a sink, which halts and leaves the table as it is."""

import asyncio
import functools
import uuid
from typing import Literal

from aiokafka.admin import NewPartitions
from tests.by_hand import recreate_topic
from tests.rounds import Done, Fault
from tests.warm.world import TABLES, World, running

from k2_shared.core import contracts
from k2_shared.kafka.topics import administration

Change = Literal["made anew", "repartitioned"]
_HALT = 3
_SHARED_BY_NONE = ("bronze_trades", "raw_trades", "silver_trades", "gold_trades", "dead_letters", "gaps")


def foreign() -> list[Fault]:
    """Each of them, under a sink and between two runs of it."""
    changes: tuple[Change, ...] = ("made anew", "repartitioned")
    return [
        Fault(f"topic {change}", "sink running" if is_running else "sink dead", 1, _fault(change, is_running))
        for change in changes
        for is_running in (True, False)
    ]


def _fault(change: Change, is_running: bool) -> functools.partial[object]:
    return functools.partial(_changed, change=change, is_running=is_running)


async def _changed(world: World, change: Change, is_running: bool) -> Done:
    """In a world of its own, on the same servers."""
    settings = world.settings.model_copy(update={"k2_prefix": f"w{uuid.uuid4().hex[:8]}."})
    async with running(settings, world.stack, world.server, world.folder, world.rng.randrange(10**6)) as own:
        await own.flow()
        if said := await own.settle():
            return Done(proven=False, proof=said[0])
        await own.load.pause()
        await own.arrived()  # what was written since
        done = await _halted(own, world.rng.choice(_SHARED_BY_NONE), change, is_running)
        await asyncio.to_thread(own.tables.drop)
        return done


async def _halted(own: World, table: str, change: Change, is_running: bool) -> Done:
    topic = own.rng.choice(TABLES[table].topics)
    if not is_running:
        await own.stop_sinks()
    before = await asyncio.to_thread(own.tables.rows, table)
    await (recreate_topic(own.settings, own.names, topic) if change == "made anew" else _repartition(own, topic))
    if not is_running:
        own.sink.start()
    ended = await own.sink.wait_end()
    own.sink.start()
    again = await own.sink.wait_end()
    untouched = await asyncio.to_thread(own.tables.rows, table) == before
    codes = {ended.exit_code, again.exit_code}
    said = next((each for each in reversed(again.log.read_text().splitlines()) if "warm_sink: " in each), "")
    return Done(codes <= {_HALT, 2} and untouched and topic in said, f"{table}, exits {codes}: {said[:160]}")


async def _repartition(own: World, topic: str) -> None:
    more = contracts.topics()[topic].partitions + 1
    async with administration(own.settings) as admin:
        await admin.create_partitions({own.names.topic(topic): NewPartitions(more)})
