"""A process that dies: at a named point of a transaction, or anywhere."""

import signal
from collections.abc import Sequence

from tests.faults.faults import Injected, arm, injected, said
from tests.faults.offsets import open_transactions
from tests.faults.rig import Rig
from tests.faults.supervisor import ProcessExit, SupervisedAgent, up

POINTS = {
    "silver": ("before_send", "after_send", "before_commit", "after_commit", "during_recovery"),
    "gold": ("before_send", "after_send", "before_commit", "after_commit", "during_checkpoint", "during_recovery"),
}
# Here the outputs hold records of a transaction that will never be committed.
WRITTEN = ("after_send", "before_commit", "during_checkpoint")
_TRIES = 5
KILLED = -signal.SIGKILL


async def kill_at(rig: Rig, agent: SupervisedAgent, point: str, passing: int) -> Injected:
    """Kill an agent's process at a failpoint; again, a passing later, where its transaction had nothing to write."""
    for later in range(_TRIES):
        done = await _kill_at(rig, agent, point, passing + later)
        if done.proven:
            break
    return done


async def _kill_at(rig: Rig, agent: SupervisedAgent, point: str, passing: int) -> Injected:
    """Kill an agent's process; the next one is the supervisor's, or armed for the next kill."""
    await arm(agent, point, "kill", passing)
    ended = await agent.wait_end()
    told = [line for line in said(agent, "failpoint") if line.get("failpoint") == point]
    open_at = await open_transactions(rig.settings, rig.names, agent.service) if point in WRITTEN else []
    proven = told and ended.exit_code == KILLED and (open_at or point not in WRITTEN)
    proof = f"exit {ended.exit_code} at {point}, passing {passing}"
    if point in WRITTEN:
        proof += f"; uncommitted records in {len(open_at)} partitions"
    return injected(f"{agent.service} killed {point}", proven, proof)


async def kill_at_all(rig: Rig, agent: SupervisedAgent, points: Sequence[str], most: int = 8) -> list[Injected]:
    """Kill one process after another, each at the next point and at any of its first passings."""
    done = [await kill_at(rig, agent, point, rig.rng.randint(1, most)) for point in points]
    await up(agent)
    return done


async def kill_anywhere(rig: Rig, agent: SupervisedAgent) -> list[Injected]:
    """Kill a process wherever it is."""
    ended = await agent.end()
    await up(agent)
    return [injected(f"{agent.service} killed anywhere", ended and ended.exit_code == KILLED, _exit(ended))]


async def stop_in_order(rig: Rig, agent: SupervisedAgent) -> list[Injected]:
    """End a process as a deployment does."""
    ended = await agent.end(signal.SIGTERM)
    await up(agent)
    return [injected(f"{agent.service} redeployed", ended and ended.exit_code == 0, _exit(ended))]


def _exit(ended: ProcessExit | None) -> str:
    return f"exit {ended.exit_code}" if ended else "there was no process"
