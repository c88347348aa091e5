"""What contradicts one owner of a table that is always answered: lost answers, refusals, other owners, moved groups."""

import asyncio
import functools
import signal
import threading
from collections.abc import Callable

from pyiceberg.exceptions import CommitFailedException
from tests.by_hand import To, set_group
from tests.faults.supervisor import SupervisedAgent, until
from tests.lake.kills import ROWS, steps
from tests.lake.world import TABLES, World
from tests.rounds import Done, Fault
from tests.sinks_under_load import either_dies

from k2_shared.lake.owned import CONFLICT
from k2_shared.lake.transaction import append
from k2_support import lake_requests
from k2_support.http_proxy import ProxyRule

_STORM = 4
_CODES = (403, 500, 503)
_CONFLICTS = 100
_IN_A_ROW = 3  # conflicts that one commit meets
_CONFLICTS_S = 240.0


def disorders() -> list[Fault]:
    """Each of them."""
    targets: tuple[To, ...] = ("0", "random offsets", "the ends")
    lost = [step.name for step in steps() if step.after]
    return [
        *(Fault("answers lost", name, 2, functools.partial(_lost, name=name)) for name in lost),
        Fault("answers lost", "of the catalog, to anything", 2, _all_lost),
        *(
            Fault("catalog refuses", f"by {code}", 1, functools.partial(_refused, code=code))
            for code in (403, 500, 503)
        ),
        Fault("two sinks", "side by side", 2, _two_sinks),
        Fault("two sinks", "one commits first", 2, _overtaken),
        Fault("others commit", f"{_CONFLICTS} conflicts", 2, _conflicts),
        *(Fault("group set", f"to {to}", 1, functools.partial(_group_set, to=to)) for to in targets),
    ]


async def _met(rule: ProxyRule, times: int) -> None:
    await until(lambda: rule.done >= times, f"{times} requests that are met")


async def _lost(world: World, name: str) -> Done:
    """Several in a row; what was asked for is done."""
    (step,) = (each for each in steps() if each.name == name)
    rule = ProxyRule(step.which, None, after=True, containing=step.containing, times=_STORM)
    with step.proxy(world).ruled(rule):
        await _met(rule, _STORM)
    return Done(world.sink.running, f"{rule.done} times")


async def _all_lost(world: World) -> Done:
    with world.before_catalog.cut(after=True) as rule:
        await _met(rule, 2 * _STORM)
    return Done(world.sink.running, f"{rule.done} times")


async def _refused(world: World, code: int) -> Done:
    with world.before_catalog.refusing(code, lambda _method, _path: True) as rule:
        await _met(rule, _STORM)
    return Done(world.sink.running, f"{rule.done} times")


async def _two_sinks(world: World) -> Done:
    """Until one has found the other's commit; then either one dies."""
    other = world.sinks[1]
    other.start()
    await other.ready()
    await until(lambda: any("table_sink_superseded" in _log(sink) for sink in world.sinks), "a sink that is superseded")
    return await either_dies(world)


async def _overtaken(world: World) -> Done:
    """A commit of one waits until the other has committed the same records."""
    table, other = world.any_table(), world.sinks[1]
    held, go = threading.Event(), threading.Event()
    passed = threading.Lock()

    def hold(body: bytes) -> bytes:
        if passed.acquire(blocking=False):
            held.set()
            go.wait(60)
        return body

    rule = ProxyRule(lake_requests.commit(table), None, after=True, change=hold, answered=True, containing=ROWS)
    with world.before_catalog.ruled(rule):
        await until(held.is_set, "a commit that waits")
        other.start()
        await other.ready()
        before = await asyncio.to_thread(_head, world, table)
        await until(lambda: asyncio.to_thread(lambda: _head(world, table) != before), "the other's commit")
        go.set()
        await until(lambda: "table_sink_superseded" in _log(world.sink), "the first one's surprise")
    await other.end(signal.SIGKILL)
    return Done(world.sink.running, f"{table}: superseded")


async def _conflicts(world: World) -> Done:
    """Before each of several commits, at three attempts in a row, somebody else commits to the table."""
    left = dict.fromkeys(TABLES, 0)
    before = _conflicts_told(world)

    def collide(table: str) -> Callable[[bytes], bytes]:
        def change(body: bytes) -> bytes:
            left[table] = (left[table] + 1) % (_IN_A_ROW + 1)
            if left[table]:
                _commit(world, table)
            return body

        return change

    rules = [
        ProxyRule(lake_requests.commit(table), None, after=True, change=collide(table), answered=True, containing=ROWS)
        for table in TABLES
    ]
    world.before_catalog.rules.extend(rules)
    try:
        await until(lambda: _conflicts_told(world) - before >= _CONFLICTS, "the conflicts", _CONFLICTS_S)
    finally:
        for rule in rules:
            world.before_catalog.rules.remove(rule)
    return Done(world.sink.running, f"{_conflicts_told(world) - before} conflicts")


def _conflicts_told(world: World) -> int:
    return _log(world.sink).count(CONFLICT)


def _commit(world: World, table: str) -> None:
    """An empty commit of somebody else."""
    try:
        append(world.table(table), (), {})
    except CommitFailedException:
        return  # somebody else was faster, and that is a commit too


async def _group_set(world: World, to: To) -> Done:
    """As an operator would, between two runs of the sink: the table's offsets win."""
    await world.sink.end(signal.SIGKILL)
    await world.flow(4)
    table = world.rng.choice(list(TABLES))
    moved = await set_group(world.settings, world.names.table_group(table), world.partitions(table), to, world.rng)
    await world.sink_up()
    return Done(bool(moved), f"{table}, {len(moved)} partitions")


def _head(world: World, table: str) -> int | None:
    return world.table(table).metadata.current_snapshot_id


def _log(sink: SupervisedAgent) -> str:
    return sink.log.read_text(errors="replace")
