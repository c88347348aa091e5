"""Whether the feeds' memory stays flat in a long run."""

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil
from tests.faults.slots import Slots

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

    def note(self, slots: Slots) -> None:
        """Sample every running process."""
        for slot in slots:
            if slot.child and slot.running:
                try:
                    resident = psutil.Process(slot.child.pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # it ended just now
                self.samples.setdefault(slot.service, []).append(Sample(time.monotonic(), slot.child.pid, resident))

    def trend(self, service: str) -> tuple[float, float, float]:
        """Of the longest-lived process: medians of the first and the last quarter of its life in MB, and its minutes.

        Its first half minute, in which it starts, does not count.
        """
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples.get(service, ()):
            lives.setdefault(sample.pid, []).append(sample)
        life = max(lives.values(), key=lambda of: of[-1].at - of[0].at, default=[])
        settled = [sample for sample in life if sample.at - life[0].at >= _WARM_S] or life
        if not settled:
            return 0.0, 0.0, 0.0
        quarter = max(1, len(settled) // 4)
        return _median(settled[:quarter]), _median(settled[-quarter:]), (life[-1].at - life[0].at) / 60


def _median(samples: Iterable[Sample]) -> float:
    return round(statistics.median(sample.bytes for sample in samples) / _MEGABYTE, 1)
