"""The faults active at one venue now: injected faults start them; sockets, playback and REST ask for them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from exchange_sim.fault_counts import FaultCounts
from exchange_sim.model import Venue


@dataclass(slots=True)
class Active:
    """An active fault: until a moment (monotonic s), or for so many more occurrences."""

    value: float | str | None = None
    until: float | None = None
    left: int | None = None
    used: int = 0

    @property
    def number(self) -> float:
        """The value as a number; 0 where there is none."""
        return float(self.value or 0)


class Conditions:
    """The active faults by kind and symbol; one without a symbol is active for all symbols."""

    def __init__(
        self, venue: Venue, fault_counts: FaultCounts | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.venue = venue
        self._fault_counts = fault_counts
        self._clock = clock
        self._active: dict[tuple[str, str | None], Active] = {}

    @property
    def calm(self) -> bool:
        """Whether no fault is active; cheap, as it is asked for every frame."""
        return not self._active

    def start(
        self,
        kind: str,
        symbol: str | None = None,
        *,
        seconds: float | None = None,
        count: int | None = None,
        value: float | str | None = None,
    ) -> None:
        """Activate a fault in place of one of the same kind and symbol; without ``seconds`` or ``count`` it lasts."""
        until = None if seconds is None else self._clock() + seconds
        self._active[kind, symbol] = Active(value, until, count)

    def stop(self, kind: str, symbol: str | None = None) -> None:
        """Deactivate a fault, if it is active."""
        self._active.pop((kind, symbol), None)

    def active(self, kind: str, symbol: str | None = None) -> Active | None:
        """The fault, if it is active for this symbol."""
        if not self._active:
            return None
        return self._living(kind, symbol) or (self._living(kind, None) if symbol is not None else None)

    def take(self, kind: str, symbol: str | None = None) -> Active | None:
        """The fault, if it is active for this symbol: it is counted and one of its occurrences is used up."""
        found = self.active(kind, symbol)
        if found is not None:
            self.struck(kind, symbol)
            found.used += 1
            if found.left is not None:
                found.left -= 1
        return found

    def struck(self, kind: str, symbol: str | None = None, count: int = 1) -> None:
        """Count that a fault had its effect ``count`` times."""
        if self._fault_counts is not None:
            self._fault_counts.struck(kind, self.venue, symbol, count)

    def _living(self, kind: str, symbol: str | None) -> Active | None:
        found = self._active.get((kind, symbol))
        if found is None:
            return None
        if found.left == 0 or (found.until is not None and found.until <= self._clock()):
            del self._active[kind, symbol]
            return None
        return found
