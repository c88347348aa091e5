"""The faults under which candles stay exact: those of the warm suite that touch them, and more of their own tables."""

import functools

from tests.candles.world import CandleWorld
from tests.rounds import Done, Fault
from tests.warm.disorder import disorders, emptied, group_set, lost, two_sinks_by_half
from tests.warm.kills import MOMENTS, kills, server_comes_back, sink_dies
from tests.warm.world import World

_TABLES = ("candles", "gold_trades", "missing_ids")


def faults() -> list[Fault]:
    """Each of them; most are kills."""
    return [
        *(
            Fault(f"{which} killed", f"{table}, {moment}", 3, functools.partial(dies, moment=moment, table=table))
            for which, dies in (("sink", sink_dies), ("server", server_comes_back))
            for table in _TABLES
            for moment in MOMENTS
        ),
        *kills(),
        *disorders(),
        Fault("answers lost", "candles by half", 3, functools.partial(lost, how="half", table="candles")),
        Fault("answers lost", "missing ids", 2, functools.partial(lost, how="whole", table="missing_ids")),
        Fault("two sinks", "halves of both's candles", 3, functools.partial(two_sinks_by_half, table="candles")),
        Fault("candles emptied", "sink running", 2, functools.partial(emptied, sink="running", table="candles")),
        Fault("candles emptied", "sink dead", 2, functools.partial(emptied, sink="dead", table="candles")),
        Fault("replay", "shifted, of other batches", 3, _replayed),
    ]


async def _replayed(world: World) -> Done:
    """Gold is read again from anywhere, twice, by batches of other sizes."""
    assert isinstance(world, CandleWorld)
    for _ in range(2):
        world.vary()
        done = await group_set(world, "random offsets", "gold_trades")
        await world.flow(4)
    return done
