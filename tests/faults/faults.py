"""A fault and its outcome, and what faults share: stopping an agent at a failpoint, and the proof in its log."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.faults.rig import Rig
from tests.faults.supervisor import SupervisedAgent, until

from k2_support.logs import Event, events


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was brought about: when, whether it is proven, and by what."""

    fault: str
    at: str
    proven: bool
    proof: str


@dataclass(frozen=True)
class Fault:
    """One kind of fault, of one service or of all, and how often it comes beside others."""

    name: str
    weight: int
    inject: Callable[[Rig], Awaitable[list[Injected]]]


def injected(fault: str, proven: object, proof: str) -> Injected:
    """A fault that was brought about now."""
    return Injected(fault, datetime.now(UTC).isoformat(timespec="seconds"), bool(proven), proof)


def said(agent: SupervisedAgent, event: str) -> list[Event]:
    """The lines of one event in the log of an agent's newest process."""
    return list(events(agent.log, event))


async def arm(agent: SupervisedAgent, point: str, action: str, passing: int) -> None:
    """Replace an agent's process by one that acts at a failpoint, and wait until it says that it is there."""
    await agent.end(signal.SIGKILL)
    agent.start(K2_FAILPOINT=f"{point}:{action}:{passing}")
    await until(lambda: said(agent, "failpoint") or not agent.running, f"{agent.name} at {point}, passing {passing}")
