"""A sink that dies at each step of the commit protocol, of an expiry, or of its start."""

import asyncio
import functools
import signal
from dataclasses import dataclass

from tests.faults.apis import OFFSET_COMMIT
from tests.faults.supervisor import until
from tests.lake.world import World
from tests.rounds import Done, Fault
from tests.sinks_under_load import ended, killed_at_start, stopped

from k2_support import lake_requests
from k2_support.http_proxy import HttpProxy, ProxyRule, Which
from k2_support.lake_history import lengthen

_HISTORY = 150
_MET_S = 240.0  # a broker on a busy machine may keep the load waiting for a minute
ROWS, EXPIRY = b"add-snapshot", b"remove-snapshots"


@dataclass(frozen=True)
class Step:
    """A request of the protocol: what it is for, to whom, and whether the one who asks dies before or after it."""

    name: str
    which: Which
    at_store: bool
    after: bool
    containing: bytes = b""

    def proxy(self, world: World) -> HttpProxy:
        """Where it is met."""
        return world.before_store if self.at_store else world.before_catalog


def steps(table: str = "") -> list[Step]:
    """Every step of a commit to a table, or to any, in their order."""
    data, manifest, listed = lake_requests.data_file(table), lake_requests.manifest(table), _listed(table)
    commit = lake_requests.commit(table)
    return [
        Step("before a data file", data, at_store=True, after=False),
        Step("data file written, not answered", data, at_store=True, after=True),
        Step("before a manifest", manifest, at_store=True, after=False),
        Step("manifest written, not answered", manifest, at_store=True, after=True),
        Step("before the list of manifests", listed, at_store=True, after=False),
        Step("list of manifests written, not answered", listed, at_store=True, after=True),
        Step("before the commit", commit, at_store=False, after=False, containing=ROWS),
        Step("committed, not answered", commit, at_store=False, after=True, containing=ROWS),
    ]


def _listed(table: str) -> Which:
    return lake_requests.manifest_list(table)


def kills() -> list[Fault]:
    """Every way in which the sink dies."""
    return [
        *(Fault("sink killed", step.name, 3, functools.partial(_at, name=step.name)) for step in steps()),
        Fault("sink killed", "offsets committed to Kafka, not answered", 2, _at_offsets),
        Fault("sink killed", "before an expiry", 2, functools.partial(_at_expiry, after=False)),
        Fault("sink killed", "expired, not answered", 2, functools.partial(_at_expiry, after=True)),
        Fault("sink killed", "while it reads a table at its start", 2, _at_reading),
        Fault("sink killed", "at its start", 2, killed_at_start),
        Fault("sink stopped", "in order, under load", 1, stopped),
    ]


async def _at(world: World, name: str) -> Done:
    """At a step of the next commit to any table."""
    table = world.any_table()
    (step,) = (each for each in steps(table) if each.name == name)
    return await _killed(world, step, f"of {table}")


async def _at_expiry(world: World, *, after: bool) -> Done:
    """Of a table that has more snapshots than it keeps; nobody commits while it gets them."""
    table = world.any_table()
    await world.sink.end(signal.SIGKILL)
    await asyncio.to_thread(lambda: lengthen(world.table(table), _HISTORY))
    world.sink.start()
    step = Step("expiry", lake_requests.commit(table), at_store=False, after=after, containing=EXPIRY)
    return await _killed(world, step, f"of {table}")


async def _at_reading(world: World) -> Done:
    await world.sink.end(signal.SIGKILL)
    step = Step("reading", lake_requests.read_table(world.any_table()), at_store=False, after=world.rng.random() < 0.5)
    world.sink.start()
    return await _killed(world, step, "of a start")


async def _killed(world: World, step: Step, what: str) -> Done:
    rule = ProxyRule(
        step.which,
        None,
        step.after,
        meanwhile=lambda: world.sink.send(signal.SIGKILL),
        containing=step.containing,
        times=1,
    )
    with step.proxy(world).ruled(rule):
        await until(lambda: rule.done, f"{step.name} {what}", _MET_S)
        return await ended(world, what)


async def _at_offsets(world: World) -> Done:
    """The table has the commit, Kafka has the offsets, the sink learns of the former alone."""
    lost = world.broker.inject(OFFSET_COMMIT, "drop")
    await until(lambda: lost.done, "a commit of offsets whose answer is lost")
    world.sink.send(signal.SIGKILL)
    world.broker.clear()
    return await ended(world, "of any table")
