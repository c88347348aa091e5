"""What a fault is, and what every fault needs: a process at a failpoint, and a word for whether it happened."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.faults.rig import Rig
from tests.faults.slots import Slot, until

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


def said(slot: Slot, event: str) -> list[Event]:
    """The lines of one event in the log of a slot's newest process."""
    return list(events(slot.log, event))


async def arm(slot: Slot, point: str, action: str, passing: int) -> None:
    """Replace a slot's process by one that acts at a failpoint, and wait until it says that it is there."""
    await slot.end(signal.SIGKILL)
    slot.start(K2_FAILPOINT=f"{point}:{action}:{passing}")
    await until(lambda: said(slot, "failpoint") or not slot.running, f"{slot.name} at {point}, passing {passing}")
