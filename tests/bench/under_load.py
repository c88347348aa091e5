"""A system that is watched while it works: counts and usages by time, and what they come to."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import aiohttp
import numpy as np
from tests.bench.harness import Machine
from tests.bench.whole_system import SIMULATOR, System

from k2.resources.facts import Measured, Report, Usage, reported
from k2.resources.processes import Sampler
from k2_shared.core.resources import resources

SAMPLE_S, LEAST_S = 5.0, 0.5
SHARE_HELD = 0.97  # of what was offered: tables are filled in batches of some seconds
STAGES = ("sent", "gold", "lake", "warm")


@dataclass(frozen=True)
class Sample:
    """Counts of trades by stage, and what each component took since the sample before, at a time of the clock.

    There are no counts where an agent was too busy to tell them.
    """

    at: float
    counts: Mapping[str, int]
    usages: Mapping[str, Usage]


@dataclass
class Watched:
    """The samples of one load, and what the load itself and the whole machine took of CPUs meanwhile."""

    offered: float
    names: Sequence[str]
    samples: list[Sample] = field(default_factory=list)
    simulator_cpu: float = 0.0
    idle_cpu: float = 0.0

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return self.samples[-1].at - self.samples[0].at

    def rate(self, stage: str) -> float:
        """Trades a second that came to a stage: the slope of its counts, which grow by batches; 0 where none told."""
        told = [(each.at - self.samples[0].at, each.counts[stage]) for each in self.samples if each.counts]
        if len(told) < 2:
            return 0.0
        slope, _ = np.polyfit(*zip(*told, strict=True), 1)
        return float(slope)

    @property
    def held(self) -> float:
        """Trades a second that came everywhere: to gold and to both of its tables."""
        return min(map(self.rate, STAGES))

    @property
    def is_held(self) -> bool:
        """Whether that is what was offered."""
        return self.held >= SHARE_HELD * self.offered

    def report(self) -> Report:
        """Of each component its mean of CPUs and the most memory, beside its target; who ended has none."""
        looks = [each.usages for each in self.samples[1:]]  # the first is of the time before
        measured = [self._measured(name, [each[name] for each in looks if name in each], looks) for name in self.names]
        return reported(measured, self.seconds, resources())

    def _measured(self, name: str, usages: Sequence[Usage], looks: Sequence[Mapping[str, Usage]]) -> Measured:
        if len(usages) < len(looks):
            return Measured(name, None, "it ended under load")
        cpu, memory_mb = fmean(each.cpu for each in usages), max(each.memory_mb for each in usages)
        return Measured(name, Usage(cpu, memory_mb))


async def watched(system: System, offered: float, seconds: float) -> Watched:
    """Watch a system for so long.

    Raises:
        Unavailable: an agent has ended; quotes its log.
    """
    pids = system.pids()
    sampler, found = Sampler({**pids, SIMULATOR: system.simulator_pid()}), Watched(offered, list(pids))
    machine, simulator = Machine(), list[float]()
    until = time.monotonic() + seconds
    while True:
        usages = await asyncio.to_thread(sampler.look)
        simulator.append(usages.pop(SIMULATOR, Usage(0.0, 0.0)).cpu)
        counts = await _counts(system)
        found.samples.append(Sample(time.monotonic(), counts, usages))
        system.check()
        left_s = until - time.monotonic()
        if left_s <= 0 and len(found.samples) > 1:
            break
        await asyncio.sleep(min(SAMPLE_S, max(LEAST_S, left_s)))
    busy_s, there_were = machine.look()
    found.idle_cpu = (there_were - busy_s) / found.seconds
    found.simulator_cpu = fmean(simulator[1:])
    return found


async def _counts(system: System) -> Mapping[str, int]:
    try:
        return await system.counts()
    except (aiohttp.ClientError, OSError):  # which a TimeoutError is, too
        return {}
