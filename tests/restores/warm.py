"""ClickHouse from nothing: the sink fills it from Kafka, and cold gives back what Kafka no longer has."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiokafka.admin.records_to_delete import RecordsToDelete
from tests.faults.supervisor import until
from tests.restores.layers import nine_layers
from tests.restores.world import ARRIVAL_S, Unequal, World, demand
from tests.steps import Steps

from k2_shared.core import contracts
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import administration

_EXPIRING = ("raw_trades", "bronze_trades", "silver_trades")
# Not what time alone changes.
_CANDLES = "SELECT * EXCEPT written_at FROM candles FINAL ORDER BY timeframe, exchange, symbol, window_start"
_READ = "SELECT * EXCEPT is_closed FROM ohlcv ORDER BY timeframe, exchange, symbol, window_start"


async def restored(world: World, steps: Steps) -> None:
    """Each step as ``deploy/README.md`` says it."""
    with steps.step("every hour is in cold; Kafka deletes what it has of raw, bronze and silver; more comes"):
        await asyncio.to_thread(world.offload)
        begins = await _deleted(world)
        await world.feed(10)
        await world.settle()
        candles = _all(world)
    with steps.step("ClickHouse and all of its data are gone; k2 init makes its tables"):
        await world.stop("warm_sink")
        await asyncio.to_thread(world.lose, "clickhouse")
        await asyncio.to_thread(world.stack.up)
        world.warm.close()
        await asyncio.to_thread(world.k2, "init")
    with steps.step("warm_sink fills it with what Kafka has, and folds every candle again"):
        await world.start("warm_sink")
        await until(lambda: world.told.are_in_warm(world.warm, begins), "what Kafka has", ARRIVAL_S)
        await until(lambda: _all(world) == candles, "every candle as it was", ARRIVAL_S)
        lacking = [line for line in world.told.unlike_warm(world.warm) if " lacks " in line]
        if len(lacking) != len(_EXPIRING):
            raise Unequal(f"{', '.join(_EXPIRING)} should lack what Kafka has deleted: {lacking}")
    with steps.step("k2 warm restore: every row as before, and a repeat changes nothing"):
        planned = await asyncio.to_thread(_restore, world, "--dry-run")
        done, again = [await asyncio.to_thread(_restore, world) for _ in range(2)]
        if planned != done or not all(done.values()) or any(again.values()):
            raise Unequal(f"planned {planned}, done {done}, again {again}")
        demand(await asyncio.to_thread(world.unequal))
    with steps.step("the sink goes on, and nine layers are equal"):
        await world.feed(10)
        await world.settle()
        await asyncio.to_thread(world.k2, "offload", "run")
        await asyncio.to_thread(nine_layers, world)


def _restore(world: World, *words: str) -> Mapping[str, Mapping[str, int]]:
    """What the command puts back, by table and hour."""
    found = json.loads(world.k2("warm", "restore", "--json", *words))
    return {each["table"]: each["put_back"] for each in found}


def _all(world: World) -> list[Any]:
    """Every candle with what it is made of, and as a reader finds it."""
    return [*world.warm.ask(_CANDLES), *world.warm.ask(_READ)]


async def _deleted(world: World) -> dict[tuple[str, int], int]:
    """Where the topics that expire begin now, as if their retention were over."""
    tables = contracts.warm_tables()
    every = [at for name in _EXPIRING for topic in tables[name].topics for at in world.names.partitions(topic)]
    ends = {at: offsets.stop for at, offsets in (await offset_ranges_now(world.settings, every)).items()}
    async with administration(world.settings) as admin:
        await admin.delete_records({at: RecordsToDelete(before_offset=end) for at, end in ends.items() if end})
    return {(at.topic, at.partition): end for at, end in ends.items()}
