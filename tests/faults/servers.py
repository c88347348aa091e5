"""Faults of the servers: the broker or the registry goes away under load and comes back."""

import asyncio
import signal

import psutil  # type: ignore[import-untyped]
from tests.faults.faults import Injected, injected
from tests.faults.rig import Rig
from tests.faults.supervisor import SupervisedAgent, until, up

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_shared.core.errors import ConfigError

UNAVAILABLE = 4


async def broker_down(rig: Rig, number: signal.Signals) -> list[Injected]:
    """End the broker in order or at once, leave it down for a while, and start it again as the local stack does."""
    stack = _own(rig)
    before = await asyncio.to_thread(_end, stack, "kafka", number)
    down = "kafka" not in await asyncio.to_thread(_running, stack)
    await asyncio.sleep(rig.rng.uniform(0.0, 8.0))
    await asyncio.to_thread(stack.up)
    after = _pid(stack, "kafka")
    await rig.recover()
    return [injected(f"broker ended by {number.name}", down and after != before, f"pid {before}, then {after}")]


async def registry_down(rig: Rig, agent: SupervisedAgent) -> list[Injected]:
    """Start a process while there is no registry: it gives up, and works when the registry is back."""
    stack, before = _own(rig), len(agent.ended)
    await asyncio.to_thread(_end, stack, "registry", signal.SIGKILL)
    await agent.end()
    agent.supervised = True
    try:
        await until(lambda: any(end.exit_code == UNAVAILABLE for end in agent.ended[before:]), "exit code 4")
    finally:
        await asyncio.to_thread(stack.up)
    await up(agent)
    codes = [end.exit_code for end in agent.ended[before:]]
    return [injected(f"{agent.service} without registry", UNAVAILABLE in codes, f"exit codes {codes}")]


def _own(rig: Rig) -> Stack:
    if rig.stack is None:
        raise ConfigError("this fault ends servers: give the rig a stack of its own")
    return rig.stack


def _end(stack: Stack, part: str, number: signal.Signals) -> int:
    """End one part and return the pid that it had."""
    pid = _pid(stack, part)
    if number is signal.SIGKILL:
        found = psutil.Process(pid)
        found.kill()
        found.wait()
    else:
        stack.down(only=[part])
    return pid


def _pid(stack: Stack, part: str) -> int:
    process = StackState(stack.settings.state).process(part)
    return process.pid if process else 0


def _running(stack: Stack) -> list[str]:
    return [status.part for status in stack.status() if status.state == "up"]
