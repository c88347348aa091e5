"""Whether the feeds' memory stays flat in a long run."""

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psutil
from tests.faults.supervisor import SupervisedAgents

GROWTH = 0.15  # of a settled process in the second half of its life: what the faults themselves cost comes and goes
LEAST_LIFE_S = 300.0  # a shorter one says nothing
_WARM_S = 30.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sample:
    """The resident memory of a process at a moment of the monotonic clock."""

    at: float
    pid: int
    bytes: int


@dataclass
class Memory:
    """The resident memory of the feeds' processes over time."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def note(self, agents: SupervisedAgents) -> None:
        """Sample every running process."""
        for agent in agents:
            if agent.child and agent.running:
                try:
                    resident = psutil.Process(agent.child.pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # it ended just now
                self.samples.setdefault(agent.service, []).append(Sample(time.monotonic(), agent.child.pid, resident))

    def trend(self, service: str) -> tuple[float, float, float]:
        """Of the longest-lived process: medians of the first and the last quarter of its life in MB, and its minutes.

        Its first half minute, in which it starts, does not count.
        """
        life = self._longest(service)
        settled = [sample for sample in life if sample.at - life[0].at >= _WARM_S] or life
        if not settled:
            return 0.0, 0.0, 0.0
        quarter = max(1, len(settled) // 4)
        return _median(settled[:quarter]), _median(settled[-quarter:]), _lasted_s(life) / 60

    def broken(self, service: str, limit_mb: float, *, judged: bool = True) -> Iterator[str]:
        """What a service's memory breaks: its limit in any life, and its flatness in the longest.

        ``judged``: a longest life that is too short to be judged is told too.
        """
        peak = max((sample.bytes for sample in self.samples.get(service, ())), default=0) / _MEGABYTE
        if peak > limit_mb:
            yield f"{service} held {peak:.0f} MB, allowed are {limit_mb:.0f}"
        life = self._longest(service)
        if _lasted_s(life) < LEAST_LIFE_S:
            if judged:
                yield f"{service} never lived for {LEAST_LIFE_S:.0f} s: its memory cannot be judged"
            return
        half = life[len(life) // 2 :]
        before, after = _median(half[: len(half) // 2]), _median(half[len(half) // 2 :])
        if after > before * (1 + GROWTH):
            yield f"{service} grew from {before} to {after} MB in the second half of its life, allowed are {GROWTH:.0%}"

    def _longest(self, service: str) -> list[Sample]:
        """The samples of the process that lived longest."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples.get(service, ()):
            lives.setdefault(sample.pid, []).append(sample)
        return max(lives.values(), key=_lasted_s, default=[])


def _lasted_s(life: list[Sample]) -> float:
    return life[-1].at - life[0].at if life else 0.0


def _median(samples: Iterable[Sample]) -> float:
    return round(statistics.median(sample.bytes for sample in samples) / _MEGABYTE, 1)
