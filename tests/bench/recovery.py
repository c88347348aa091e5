"""Gold processes that are killed and restarted, and how long nothing new came meanwhile."""

import asyncio
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.harness import Bench
from tests.bench.outputs import Outputs, Place, first, owned

from k2_shared.kafka.topics import EXCHANGES, STATE
from k2_shared.stages.recovery import RESTORED
from k2_shared.stages.transactions import ASSIGNED
from k2_support.children import Child
from k2_support.waiting import came_true

FIRST, SECOND = "first", "second"
RESTARTS = 3
SETTLE_S = 6.0  # at least one checkpoint of the live tail
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Silence:
    """Seconds from a kill until the successor had partitions, had the first one's state, and had written."""

    assigned_s: float
    restored_s: float
    first_s: float
    all_s: float
    partitions: int


class Golds:
    """Gold processes of this benchmark, each with a log of its own; whatever still runs is killed in the end."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self._folder = folder
        self._started: list[Child] = []

    def start(self, instance: str) -> Child:
        """Start a process under a name in the group."""
        folder = self._folder / str(len(self._started))
        folder.mkdir()
        environment = {"K2_PREFIX": self._bench.names.prefix, "K2_INSTANCE": instance}
        self._started.append(Child.agent("gold", environment, folder).start())
        return self._started[-1]

    def kill(self) -> None:
        """End them all."""
        for child in self._started:
            child.kill()


async def recovery(bench: Bench, golds: Golds, current: Child, outputs: Outputs) -> tuple[list[Silence], Silence]:
    """Kill gold several times and restart it; then start another and kill the first for good."""
    restarts = []
    for _ in range(RESTARTS):
        await asyncio.sleep(SETTLE_S)
        began, lost = _kill(current)
        current = golds.start(FIRST)
        restarts.append(await _silence(outputs, began, lost, current))
    other = golds.start(SECOND)
    await shared(bench, current, other)
    await asyncio.sleep(SETTLE_S)
    return restarts, await _silence(outputs, *_kill(current), other)


def _kill(agent: Child) -> tuple[datetime, set[Place]]:
    lost = owned(agent)
    began = datetime.now(UTC)
    agent.kill()
    return began, lost


async def _silence(outputs: Outputs, began: datetime, lost: Set[Place], successor: Child) -> Silence:
    await outputs.expect(lost)
    wrote = [await outputs.wait(count, PATIENCE_S) for count in (1, len(lost))]
    said = [first(successor, name, began) for name in (ASSIGNED, RESTORED)]
    return Silence(*((at - began).total_seconds() for at in (*said, *wrote)), len(lost))


async def shared(bench: Bench, *agents: Child) -> None:
    """Wait until processes have shared all input partitions and work on them."""
    everything = len(EXCHANGES) * bench.names.contract(STATE).partitions

    def is_shared() -> bool:
        return not any(agent.missing() for agent in agents) and sum(len(owned(each)) for each in agents) == everything

    if not await came_true(is_shared, PATIENCE_S, 0.2):
        raise SystemExit(f"{len(agents)} gold processes did not share {everything} partitions")
