"""The faults of a maintenance, under which nobody's append fails and no row is lost or doubled."""

import asyncio
import functools
import signal
from collections.abc import Callable
from dataclasses import dataclass

from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table
from tests.by_hand import set_group
from tests.faults.supervisor import until
from tests.maintenance.world import Ended, World
from tests.rounds import Done, Fault

from k2_shared.core.errors import Unavailable
from k2_support.http_proxy import HttpProxy, ProxyRule, Which
from k2_support.lake_requests import LISTED, commit, data_file, removed
from k2_support.listed_files import looking_old

_PATIENCE_S = 600.0
_AWAY_S = 100.0
_GOLD, _BRONZE, _CONSISTENCY = "gold_crypto_trades", "bronze_crypto_trades", "consistency"
_MANY = 12  # batches, each of which is a file
_MORE_RUNS = 4


@dataclass(frozen=True)
class Moment:
    """A request of a step, at which, before or after the server has it, the run dies."""

    step: str
    name: str
    which: Which
    at_store: bool = False
    after: bool = False
    containing: bytes = b""
    table: str = _GOLD


_ROWS, _REPLACED, _EXPIRED = b"add-snapshot", b'"replace"', b"remove-snapshots"
_MOMENTS = [
    Moment("compact", "before a data file", data_file(_GOLD), at_store=True),
    Moment("compact", "data file written", data_file(_GOLD), at_store=True, after=True),
    Moment("compact", "before the commit", commit(_GOLD), containing=_REPLACED),
    Moment("compact", "committed, not answered", commit(_GOLD), after=True, containing=_REPLACED),
    Moment("manifests", "before the commit", commit(_GOLD), containing=_REPLACED),
    Moment("manifests", "committed, not answered", commit(_GOLD), after=True, containing=_REPLACED),
    Moment("expire", "before the commit", commit(_GOLD), containing=_EXPIRED),
    Moment("expire", "committed, not answered", commit(_GOLD), after=True, containing=_EXPIRED),
    Moment("audit", "before the commit", commit(_CONSISTENCY), containing=_ROWS),
    Moment("audit", "committed, not answered", commit(_CONSISTENCY), after=True, containing=_ROWS),
    Moment("retention", "before the commit", commit(_BRONZE), containing=_ROWS, table=_BRONZE),
    Moment("retention", "committed, not answered", commit(_BRONZE), after=True, containing=_ROWS, table=_BRONZE),
    Moment("orphans", "while files are listed", LISTED, at_store=True, after=True),
    Moment("orphans", "before files are deleted", removed, at_store=True),
    Moment("orphans", "files deleted, not answered", removed, at_store=True, after=True),
]


def faults() -> list[Fault]:
    """Each of them."""
    return [
        *(Fault(f"{each.step} killed", each.name, 2, functools.partial(_killed, moment=each)) for each in _MOMENTS),
        Fault("maintenance killed", "at any moment", 3, _killed_somewhere),
        Fault("appends and an offload", "while all is compacted", 3, _appended),
        Fault("two runners", "at once", 2, _two_runners),
        Fault("a reader", "that has planned its scan", 2, _read_on),
        Fault("a sink", "stopped before, started after", 2, _gone_on),
        *(Fault("away for minutes", which, 1, functools.partial(_away, which=which)) for which in _PEERS),
    ]


_PEERS: dict[str, Callable[[World], HttpProxy]] = {
    "catalog": lambda world: world.before_catalog,
    "object store": lambda world: world.before_store,
}


async def _killed(world: World, moment: Moment) -> Done:
    """The command, its driver and Java at once; the next run does what is left.

    A row that no topic has is there for retention: what is compared afterwards would find it. A file that no snapshot
    knows is there for orphans, and looks old; it must be gone.
    """
    await world.fill(_MANY)
    if moment.step == "retention":
        await asyncio.to_thread(world.add_old, moment.table)
    if moment.step == "orphans":
        await asyncio.to_thread(world.add_stray, moment.table)
    words = [f"--step={moment.step}", f"--table={moment.table}"]
    rule = ProxyRule(
        moment.which, None, moment.after, meanwhile=lambda: world.runs[-1].kill(), containing=moment.containing, times=1
    )
    gate = world.before_store if moment.at_store else world.before_catalog
    with gate.ruled(rule), world.before_store.ruled(looking_old(world.is_stray)):
        ended, again = await _met(world, rule, words), await world.whole(*words)
    left = await asyncio.to_thread(world.strays, moment.table)
    return Done(
        rule.done == 1 and ended.code < 0 and again.code == 0 and not left,
        f"exit {ended.code}, then {_told(again.code, again.said)}, {left} strays left",
    )


async def _met(world: World, rule: ProxyRule, words: list[str]) -> Ended:
    """The end of the first run that comes to what a rule is about: a sink may have expired all that was to be."""
    ended = await world.whole(*words)
    for _ in range(_MORE_RUNS):
        if rule.done:
            break
        await world.fill(_MANY)
        ended = await world.whole(*words)
    return ended


async def _killed_somewhere(world: World) -> Done:
    run = world.start()
    await asyncio.sleep(world.rng.uniform(1, 40))
    run.kill()
    ended, again = await run.ended(), await world.whole()
    return Done(ended.code < 0 and again.code == 0, f"exit {ended.code}, then {_told(again.code, again.said)}")


async def _appended(world: World) -> Done:
    """Every second, and hours of all cold tables."""
    await world.fill(_MANY)
    batches, codes = world.lake.load.batches, list[int]()
    running = asyncio.create_task(world.start("--step=compact").ended())
    with world.often():
        while not running.done():
            await asyncio.to_thread(world.tiers.deliver)
            codes.append((await asyncio.to_thread(world.tiers.k2, "offload", "run")).returncode)
    ended, flowed = await running, world.lake.load.batches - batches
    return Done(
        ended.code == 0 and not any(codes) and flowed > 0,
        f"{_told(ended.code, ended.said)}, {flowed} batches, {len(codes)} offloads meanwhile",
    )


async def _two_runners(world: World) -> Done:
    """One is refused, whichever, and at most both: no two at once."""
    words = ["--step=compact", f"--table={_GOLD}"]
    first, second = world.start(*words), world.start(*words)
    ended = await asyncio.gather(first.ended(), second.ended())
    refused = sum(each.was_taken for each in ended)
    done = sum(each.code == 0 for each in ended)
    return Done(refused >= 1 and refused + done == 2, f"{done} done, {refused} refused")


async def _read_on(world: World) -> Done:
    """It knows its files; then they are rewritten, their snapshot goes, every step is done, and then it reads them."""
    await world.fill(_MANY)
    table = await asyncio.to_thread(world.lake.table, _GOLD)
    planned, wanted = table.current_snapshot(), table.scan().count()
    tasks = await asyncio.to_thread(lambda: list(table.scan().plan_files()))
    compacted = await world.whole("--step=compact", f"--table={_GOLD}")
    with world.often():
        await until(lambda: asyncio.to_thread(_is_gone, world, planned.snapshot_id), "a snapshot's expiry", _PATIENCE_S)
    ended = await world.whole(f"--table={_GOLD}")
    replaced = {task.file.file_path for task in tasks} - await asyncio.to_thread(_files, world.lake.table(_GOLD))
    scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    read = len(await asyncio.to_thread(scan.to_table, tasks))
    return Done(
        compacted.code == ended.code == 0 and bool(replaced) and read == wanted,
        f"{_told(ended.code, ended.said)}, {read} of {wanted} rows, {len(replaced)} of {len(tasks)} files replaced",
    )


def _is_gone(world: World, snapshot_id: int) -> bool:
    return world.lake.table(_GOLD).snapshot_by_id(snapshot_id) is None


def _files(table: Table) -> set[str]:
    return {task.file.file_path for task in table.scan().plan_files()}


async def _gone_on(world: World) -> Done:
    """Its tables' heads are the maintenance's then, and its group is set to 0: its own offsets in the tables count."""
    await world.fill(_MANY)
    end = await world.lake.sink.end(signal.SIGTERM)
    ended = await world.whole()
    await set_group(
        world.lake.settings, world.lake.names.table_group(_GOLD), world.lake.partitions(_GOLD), "0", world.rng
    )
    await world.lake.flow(4)
    await world.lake.sink_up()
    return Done(
        end is not None and end.exit_code == 0 and ended.code == 0,
        f"the sink's exit {end and end.exit_code}, {_told(ended.code, ended.said)}",
    )


async def _away(world: World, which: str) -> Done:
    """It tries on for minutes, and does all when the peer is back."""
    await world.fill(_MANY)
    run = world.start("--step=compact", "--step=expire", f"--table={_GOLD}", "--step=audit")
    running = asyncio.create_task(run.ended())
    with _PEERS[which](world).ruled(ProxyRule(lambda _method, _path: True, None)) as met:
        await until(lambda: met.done or running.done(), "a request that is cut", _PATIENCE_S)
        await asyncio.sleep(_AWAY_S)
    try:
        await until(running.done, "the end of the run", _PATIENCE_S)
    except Unavailable:
        run.kill()
    ended = await running
    return Done(ended.code == 0, f"{_told(ended.code, ended.said)}, {met.done} requests cut in {_AWAY_S:g} s")


def _told(code: int, said: str) -> str:
    return f"exit {code}" + (f" ({said.strip().splitlines()[-1][:200]})" if code and said.strip() else "")
