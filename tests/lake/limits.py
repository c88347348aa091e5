"""Catalog, store or database that are ended, away for minutes, frozen, slow, throttling or full: the sink waits."""

import asyncio
import functools
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import psutil
from tests.disk import fill
from tests.faults.supervisor import until
from tests.lake.world import World
from tests.rounds import Done, Fault

from k2_local.settings import Catalog
from k2_shared.core.errors import Unavailable
from k2_support.http_proxy import HttpProxy, ProxyRule, Which

AWAY_S = 125.0
_FROZEN_S = 25.0  # longer than the sink waits for an answer
_LATE_S = 0.7
_SLOW = 40  # requests
_THROTTLED = 60
_REFUSED_S = 120.0
_SLOW_DOWN = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"""


def limits(catalog: Catalog) -> list[Fault]:
    """Those of a lake with such a catalog."""
    servers = ("seaweed",) if catalog == "seaweed" else ("seaweed", "rest_catalog", "postgres")
    proxies: dict[str, Callable[[World], HttpProxy]] = {
        "catalog": lambda world: world.before_catalog,
        "store": lambda world: world.before_store,
    }
    return [
        *(
            Fault(f"{part} ended", "killed", 3, functools.partial(_ended, part=part, is_killed=True))
            for part in servers
        ),
        *(
            Fault(f"{part} ended", "in order", 2, functools.partial(_ended, part=part, is_killed=False))
            for part in servers
        ),
        *(Fault(f"{part} ended", "frozen", 2, functools.partial(_frozen, part=part)) for part in servers),
        *(Fault(name, "away for two minutes", 1, functools.partial(_away, of=of)) for name, of in proxies.items()),
        *(Fault(name, "slow", 2, functools.partial(_slow, of=of)) for name, of in proxies.items()),
        *(
            Fault("store", f"throttles {what}", 2, functools.partial(_throttles, which=which))
            for what, which in _ASKED.items()
        ),
        Fault("store", "disk full", 2, _full),
        Fault("kafka", "cut off", 1, _broker_cut_off),
    ]


_ASKED: dict[str, Which] = {
    "writes": lambda method, _path: method in {"PUT", "POST"},
    "reads": lambda method, _path: method in {"GET", "HEAD"},
    "anything": lambda _method, _path: True,
}


async def _ended(world: World, part: str, *, is_killed: bool) -> Done:
    """It comes back after a while; the same sink goes on."""
    pid = _pid(world, part)
    if is_killed:
        os.kill(pid, signal.SIGKILL)
    else:
        await asyncio.to_thread(world.stack.down, only=[part])
    waited = await _waited(world)
    await world.flow(world.rng.randrange(1, 12))
    await asyncio.to_thread(world.stack.up)
    await world.sink.ready()
    return Done(pid != _pid(world, part) and world.sink.running, waited)


async def _frozen(world: World, part: str) -> Done:
    """It answers nothing for a while, and what was asked meanwhile is done late."""
    first = psutil.Process(_pid(world, part))
    every = [first, *first.children(recursive=True)]
    for process in every:
        process.suspend()
    try:
        await asyncio.sleep(_FROZEN_S)
        waited = await _waited(world)
    finally:
        for process in every:
            process.resume()
    await world.sink.ready()
    return Done(world.sink.running, waited)


async def _away(world: World, of: Callable[[World], HttpProxy]) -> Done:
    """For longer than two minutes, while records arrive."""
    written = world.load.batches
    with of(world).cut() as cut:
        await asyncio.sleep(AWAY_S)
        waited = await _waited(world)
    await world.sink.ready()
    return Done(world.sink.running and cut.done > 0, f"{world.load.batches - written} batches meanwhile; {waited}")


async def _slow(world: World, of: Callable[[World], HttpProxy]) -> Done:
    with of(world).slow(_LATE_S) as rule:
        await until(lambda: rule.done >= _SLOW, "slow answers", _REFUSED_S)
    return Done(world.sink.running, f"{rule.done} answers were {_LATE_S} s late")


async def _throttles(world: World, which: Which) -> Done:
    """Every other request is told to slow down, by 503 as S3 does it."""

    def some(method: str, path: str) -> bool:
        return which(method, path) and world.rng.random() < 0.5

    with world.before_store.ruled(ProxyRule(some, 503, said=_SLOW_DOWN)) as rule:
        await until(lambda: rule.done >= _THROTTLED, "requests that are told to slow down", _REFUSED_S)
    return Done(world.sink.running, f"{rule.done} times")


async def _full(world: World) -> Done:
    """The store's disk has not a byte left; where none can be mounted, the store says so."""
    with ExitStack() as until_now:
        proof = await asyncio.to_thread(_fill, world, until_now)
        waited = await _waited(world)
    try:
        await world.sink.ready()
    except Unavailable:  # SeaweedFS' list of files, once it has met a full disk, takes no more until its next start
        await asyncio.to_thread(world.stack.down, only=["seaweed"])
        await asyncio.to_thread(world.stack.up)
        await world.sink.ready()
        proof += ", and the store started again"
    return Done(world.sink.running, f"{proof}; {waited}")


def _fill(world: World, emptied: ExitStack) -> str:
    if world.disk is None:
        written: AbstractContextManager[ProxyRule] = world.before_store.refusing(507, _ASKED["writes"])
        emptied.enter_context(written)
        return "refused by 507"
    ballast = world.disk / "ballast"
    emptied.callback(ballast.unlink)
    return f"{fill(ballast) >> 20} MiB of ballast"


async def _broker_cut_off(world: World) -> Done:
    """The sink reaches no broker for a while."""
    with world.broker.cut():
        await world.flow(world.rng.randrange(8, 30))
    return Done(world.sink.running, "for some batches")


async def _waited(world: World) -> str:
    """What the sink says that it waits for, once it does."""
    said: list[str] = []

    def says() -> bool:
        said[:] = [each for each in _missing(world) if "attempt" in each]
        return bool(said)

    await until(lambda: asyncio.to_thread(says), "an attempt of the sink that failed", _REFUSED_S)
    return said[0][:120]


def _missing(world: World) -> list[str]:
    try:
        return world.sink.child.missing() if world.sink.child else []
    except Unavailable:
        return []


def _pid(world: World, part: str) -> int:
    (pid,) = (each.pid for each in world.stack.status() if each.part == part)
    assert pid
    return pid
