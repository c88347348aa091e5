"""Budgets: how many connection attempts a venue allows in a window, and what REST calls may cost."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``count`` attempts in any window of ``window_s`` seconds."""

    count: int
    window_s: float


class ConnectionAttempts:
    """Connection attempts at a venue, by the wall clock in seconds, so that they count after a restart too."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float], earlier: Iterable[float] = ()) -> None:
        self._allowance, self._clock = allowance, clock
        self._made = deque(sorted(earlier)[-allowance.count :])

    @property
    def made(self) -> list[float]:
        """The attempts that still count, oldest first; those that are reserved have times to come."""
        self._forget()
        return list(self._made)

    def reserve(self) -> float:
        """Note one more attempt at the first moment that the venue allows it; returns the seconds until then.

        It is one step, so that several who ask at once do not all get the one place that is free.
        """
        made, now = self.made, self._clock()
        count = self._allowance.count
        at = now if len(made) < count else max(now, made[-count] + self._allowance.window_s)
        self._made.append(at)
        return at - now

    def _forget(self) -> None:
        oldest = self._clock() - self._allowance.window_s
        while self._made and self._made[0] <= oldest:
            self._made.popleft()


@dataclass
class RestBudget:
    """A bucket of ``capacity`` that fills at ``per_s``; a venue that refuses closes it for a while."""

    capacity: float
    per_s: float
    clock: Callable[[], float]
    _level: float = field(init=False)
    _at: float = field(init=False)
    _closed_until: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._level, self._at = self.capacity, self.clock()

    def wait_s(self, cost: float) -> float:
        """How long until a call of that cost may be made."""
        self._fill()
        return max(self._closed_until - self._at, (cost - self._level) / self.per_s, 0.0)

    def spend(self, cost: float) -> None:
        """Take the cost of a call off the budget."""
        self._fill()
        self._level -= cost

    def refused(self, for_s: float) -> None:
        """Close the budget for so many seconds: the venue has refused a call."""
        self._fill()
        self._closed_until = max(self._closed_until, self._at + for_s)
        self._level = 0.0

    def _fill(self) -> None:
        now = self.clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self.per_s)
        self._at = now
