"""The faults under which cold stays equal to warm and to the log."""

import asyncio
import functools
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.cold.content import BOUNDARIES
from tests.cold.world import PATIENCE_S, World
from tests.faults.supervisor import until
from tests.lake.kills import Step, steps
from tests.rounds import CONSOLE, Done, Fault

from k2_local.stack_state import StackState
from k2_shared.cold.hours import Verdict
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.lake_requests import data_file

_KILLED = -signal.SIGKILL
_AWAY_S = 100.0  # longer than the attempts of one run last
_QUERIES = {"while it compares": b"hour_number", "while it reads rows": b"{symbols:Array"}
_AHEAD = timedelta(days=29, hours=12)
_SILVER, _MINUTES = "silver_trades", "gold_ohlcv_1m"
_SERVERS = ("clickhouse", "seaweed")
_BY_PLACE = ("raw_trades", "bronze_trades", _SILVER)


def faults() -> list[Fault]:
    """Each of them."""
    return [
        *(Fault("offload killed", step.name, 3, functools.partial(_killed, step=step)) for step in steps()),
        *(
            Fault("offload killed", name, 3, functools.partial(_killed_amid, query=query))
            for name, query in _QUERIES.items()
        ),
        Fault("offload killed", "at its start", 2, _killed_at_start),
        Fault("late trades", "after the offload", 3, _late),
        Fault("late trades", "while their hour is written", 3, _late_meanwhile),
        Fault("two runners", "at once", 3, _two_runners),
        Fault("an hour twice", "nothing new", 1, _twice),
        Fault("an old backup", "restored to the warm tier", 3, _restored),
        Fault("an hour expires", "half of it is gone", 3, _half_expired),
        Fault("clock", "over midnight, month and year", 3, _over_midnight),
        *(Fault("away for minutes", which, 1, functools.partial(_away, which=which)) for which in _PEERS),
        *(Fault("server killed", part, 2, functools.partial(_server_dies, part=part)) for part in _SERVERS),
    ]


_PEERS: dict[str, Callable[[World], HttpProxy]] = {
    "catalog": lambda world: world.before_catalog,
    "object store": lambda world: world.before_store,
    "ClickHouse": lambda world: world.before_clickhouse,
}


async def _killed(world: World, step: Step) -> Done:
    """At a step of the next commit of any hour."""
    return await _killed_by(
        world, step.proxy(world), ProxyRule(step.which, None, step.after, containing=step.containing)
    )


async def _killed_amid(world: World, query: bytes) -> Done:
    after = world.rng.random() < 0.5
    rule = ProxyRule(_any, None, after, containing=query)
    return await _killed_by(world, world.before_clickhouse, rule)


async def _killed_by(world: World, proxy: HttpProxy, rule: ProxyRule) -> Done:
    rule.times, rule.meanwhile = 1, lambda: world.agent.send(signal.SIGKILL)
    await asyncio.to_thread(world.deliver)
    with proxy.ruled(rule):
        await world.start_agent()
        await until(lambda: rule.done, "the step", PATIENCE_S)
        end = await world.agent.wait_end()
    return Done(end.exit_code == _KILLED, f"exit {end.exit_code}")


async def _killed_at_start(world: World) -> Done:
    await asyncio.to_thread(world.deliver)
    for _ in range(2):
        await world.start_agent()
        await asyncio.sleep(world.rng.uniform(0.5, 6.0))
        world.agent.send(signal.SIGKILL)
        end = await world.agent.wait_end()
    return Done(end.exit_code == _KILLED, f"exit {end.exit_code}")


async def _late(world: World) -> Done:
    """Trades of hours that cold has already."""
    first = await world.settle()
    await asyncio.to_thread(world.deliver)
    code = (await asyncio.to_thread(world.k2, "consistency", "--json")).returncode
    return Done(not first and code == 1, f"exit {code} of k2 consistency before they are offloaded {first or ''}")


async def _late_meanwhile(world: World) -> Done:
    """Between the comparison and the commit."""

    def more(body: bytes) -> bytes:
        world.deliver()
        return body

    await asyncio.to_thread(world.deliver)
    rule = ProxyRule(data_file(), None, after=True, change=more, answered=True, times=1)
    with world.before_store.ruled(rule):
        code = await _ran(world)
    return Done(code == 0 and rule.done == 1, f"exit {code}, {rule.done} times")


async def _two_runners(world: World) -> Done:
    """Who write the same hours, beside the agent."""
    await asyncio.to_thread(world.deliver, 200)
    await world.start_agent()
    codes = await asyncio.gather(_ran(world), _ran(world))
    await world.agent.ready()
    return Done(codes == [0, 0], f"exits {codes}")


async def _twice(world: World) -> Done:
    first = await world.settle()
    before = await asyncio.to_thread(world.snapshots)
    codes = [await _ran(world), await _ran(world)]
    same = before == await asyncio.to_thread(world.snapshots)
    return Done(same and codes == [0, 0] and not first, f"exits {codes}, {'no' if same else 'another'} snapshot")


async def _restored(world: World) -> Done:
    """The warm tier has what it had some time ago: cold keeps what it has, till warm is filled again."""
    first = await world.settle()
    lost = max(key[2] for key in world.content.log[_SILVER]) - 60
    await asyncio.to_thread(_lose, world, f"kafka_offset > {lost}", f"last_offset > {lost}")
    done = await asyncio.to_thread(world.k2, "offload", "run")
    kept = await asyncio.to_thread(world.unlike)
    await asyncio.to_thread(world.fill_again)
    proven = done.returncode == 3 and "not written" in done.stderr and not kept and not first
    return Done(proven, f"exit {done.returncode}, cold {kept or 'keeps all'}")


async def _half_expired(world: World) -> Done:
    """A month later, when some rows of each hour have left the warm tier: cold keeps all, and nothing is compared."""
    first = await world.settle()
    await asyncio.to_thread(_lose, world, "kafka_offset % 2 = 0", "last_offset % 2 = 0")
    tables = world.tables_at(datetime.now(UTC) + _AHEAD)
    accounts = [await asyncio.to_thread(tables.offload, name) for name in (_SILVER, _MINUTES)]
    kept = await asyncio.to_thread(world.unlike)
    await asyncio.to_thread(world.fill_again)
    told = [(account.hours[Verdict.EXPIRING], account.written, len(account.shrinking)) for account in accounts]
    proven = all(expiring and not written and not shrinking for expiring, written, shrinking in told)
    return Done(
        proven and not kept and not first, f"{told} expire, are written, would shrink; cold {kept or 'keeps all'}"
    )


async def _over_midnight(world: World) -> Done:
    """Five minutes behind it, and no earlier, the hour before it is written."""
    midnight = world.rng.choice(BOUNDARIES)
    first = await world.settle()
    await asyncio.to_thread(world.deliver, 30, [midnight - timedelta(hours=1)])
    early, due = (midnight + timedelta(minutes=4, seconds=59), midnight + timedelta(minutes=5))
    before, after = [await asyncio.to_thread(world.tables_at(now).offload, _SILVER) for now in (early, due)]
    told = (before.hours[Verdict.OPEN], before.written, after.hours[Verdict.OPEN], after.written)
    return Done(told == (2, 0, 1, 1) and not first, f"{midnight:%F}: {told} open, written at 04:59, and at 05:00")


async def _away(world: World, which: str) -> Done:
    """The agent tries on for minutes, and when the peer is back it does all by itself."""
    await asyncio.to_thread(world.deliver)
    with _PEERS[which](world).ruled(ProxyRule(data_file() if which == "object store" else _any, None)) as met:
        await world.start_agent()
        await until(lambda: met.done, "a request that is cut", PATIENCE_S)
        await asyncio.sleep(_AWAY_S)
    if world.agent.note():  # its start needs every peer: a supervisor starts it again
        await world.start_agent()
    await until(lambda: asyncio.to_thread(lambda: not world.unlike()), "every row in cold, by the agent", PATIENCE_S)
    return Done(world.agent.running, f"{met.done} requests cut in {_AWAY_S:g} s")


def _any(_method: str, _path: str) -> bool:
    return True


async def _server_dies(world: World, part: str) -> Done:
    """The server itself, while hours are written."""
    await asyncio.to_thread(world.deliver, 200)
    await world.start_agent()
    written = ProxyRule(data_file(), None, after=True, change=lambda body: body, answered=True)
    with world.before_store.ruled(written):
        await until(lambda: written.done >= 2, "two data files", PATIENCE_S)
        process = StackState(world.stack.settings.state).process(part)
        assert process is not None
        process.stop(world.stack.settings.stopping, signal.SIGKILL)
    await asyncio.to_thread(world.stack.up)
    world.warm.close()
    await until(lambda: asyncio.to_thread(lambda: not world.unlike()), "every row in cold, by the agent", PATIENCE_S)
    return Done(world.agent.running, f"the agent {'went on' if world.agent.running else 'ended'}")


async def _ran(world: World) -> int:
    """The exit code of an offload behind the proxies."""
    running = world.k2_behind("offload", "run")
    _, said = await asyncio.to_thread(running.communicate)
    if running.returncode:
        CONSOLE.print(said[-500:])
    return running.returncode


def _lose(world: World, rows: str, candles: str) -> None:
    for name in _BY_PLACE:
        world.warm.command(f"DELETE FROM {name} WHERE {rows}")  # noqa: S608  # the suite's own
    world.warm.command(f"DELETE FROM candles WHERE {candles}")  # noqa: S608
