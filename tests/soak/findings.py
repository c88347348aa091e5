"""What a long run must show: memory that stays, no alert that fired, all well, both tiers equal. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

GROWTH, FLOOR_MB = 0.10, 32.0
"""What a process may grow by: a share of what it held, or so many MB where that is more."""
LAYERS = 9


@dataclass(frozen=True)
class Trend:
    """What a process held in the second and in the last sixth of a run, in MB: medians."""

    before_mb: float
    after_mb: float

    @classmethod
    def of(cls, held_mb: Sequence[float]) -> "Trend":
        """Of samples that are evenly apart; the first sixth, in which caches fill, does not count."""
        sixth = max(1, len(held_mb) // 6)
        return cls(median(held_mb[sixth : 2 * sixth] or held_mb), median(held_mb[-sixth:]))

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than is allowed."""
        return self.after_mb - self.before_mb <= max(FLOOR_MB, GROWTH * self.before_mb)


@dataclass(frozen=True)
class Consistency:
    """What ``k2 consistency --json`` said: its layers, those that differ, and how many rows were compared."""

    layers: int
    differing: Sequence[str]
    rows: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Consistency":
        """Of its line."""
        layers = said["rows"]
        differing = [each["layer"] for each in layers if not each["equal"]]
        return cls(len(layers), differing, sum(each["cold"] for each in layers))

    def is_equal(self, *, compared: bool) -> bool:
        """Whether every layer is equal, and, where an hour has closed, something was compared."""
        return self.layers == LAYERS and not self.differing and (self.rows > 0 or not compared)


@dataclass(frozen=True)
class Seen:
    """What a Prometheus that watched says: the alerts that fired, and the dashboards' questions without an answer."""

    fired: Sequence[str]
    silent: Sequence[str]


@dataclass(frozen=True)
class Findings:
    """Everything that was found of a run; ``saw`` is None where no Prometheus watched, ``status`` as it said."""

    trends: Mapping[str, Trend]
    ended: Sequence[str]
    saw: Seen | None
    status: str
    consistency: Consistency
    hour_closed: bool

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it must be."""
        return [*self._memory(), *self._watched(), *self._tiers()]

    def _memory(self) -> Iterator[str]:
        yield from (f"{name} has ended" for name in self.ended)
        for name, trend in self.trends.items():
            if not trend.is_flat:
                yield f"{name} grew from {trend.before_mb:.0f} to {trend.after_mb:.0f} MB"

    def _watched(self) -> Iterator[str]:
        if self.saw is None:
            yield "nothing was watched: there is no Prometheus here"
        else:
            yield from (f"{alert} fired" for alert in self.saw.fired)
            yield from (f"no answer: {question}" for question in self.saw.silent)
        if self.status != "ok":
            yield f"k2 status: {self.status}"

    def _tiers(self) -> Iterator[str]:
        found = self.consistency
        if not found.is_equal(compared=self.hour_closed):
            differing = ", ".join(found.differing) or "none"
            yield f"k2 consistency: {found.layers} layers of {LAYERS}, {found.rows} cold rows, differing: {differing}"

    def numbers(self) -> dict[str, Any]:
        """It for programs."""
        return {
            "memory_mb": {name: [round(t.before_mb, 1), round(t.after_mb, 1)] for name, t in self.trends.items()},
            "alerts": list(self.saw.fired) if self.saw else None,
            "silent": list(self.saw.silent) if self.saw else None,
            "status": self.status,
            "consistency": {"layers": self.consistency.layers, "equal": not self.consistency.differing},
            "rows_compared": self.consistency.rows,
            "problems": self.problems,
        }
