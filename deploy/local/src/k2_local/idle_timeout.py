"""How long a process is waited for: as long as it uses CPU or disk, within a limit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_CPU_S = 0.1
_WRITTEN = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Activity:
    """The CPU time (s) and the written bytes of a process since its start."""

    cpu_s: float = 0.0
    waited_s: float = 0.0  # of its threads that are there now, for the CPU; 0 where the operating system does not tell
    written: int = 0  # bytes to the disk; 0 where the operating system does not tell

    def shows_work_since(self, before: "Activity") -> bool:
        """Whether it used, or waited for, more CPU, or wrote more, than a process at rest does."""
        used = self.cpu_s >= before.cpu_s + _CPU_S or self.waited_s >= before.waited_s + _CPU_S
        return used or self.written >= before.written + _WRITTEN


class HasActivity(Protocol):
    """A process whose activity can be asked for."""

    def activity(self) -> Activity:
        """Its activity from its start until now."""
        ...


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """When a process is given up: after ``idle_s`` without activity, or after ``limit_s`` in all.

    A slow machine alone ends no wait: a process that works, or waits for the CPU, is not idle.
    """

    idle_s: float  # without a sign of work
    limit_s: float  # in all

    def watch(self, process: HasActivity, clock: Callable[[], float] = time.monotonic) -> "IdleWatch":
        """Start the clock for one wait for ``process``."""
        return IdleWatch(self, process, clock)


class IdleWatch:
    """One wait for a process under an ``IdleTimeout``; its owner polls ``expired``. Never blocks."""

    def __init__(self, timeout: IdleTimeout, process: HasActivity, clock: Callable[[], float]) -> None:
        self._timeout, self._process, self._clock = timeout, process, clock
        self._began = self._looked = clock()
        self._activity = process.activity()

    def expired(self) -> str | None:
        """Why the wait is over, as the end of a sentence such as "was not ready …"; None while it goes on."""
        now, timeout = self._clock(), self._timeout
        if now - self._began > timeout.limit_s:
            return f"within K2_WORK_TIMEOUT_S={timeout.limit_s:g}"
        if now - self._looked > timeout.idle_s:
            activity = self._process.activity()
            if not activity.shows_work_since(self._activity):
                return f"and showed no sign of work for {timeout.idle_s:.0f} s"
            self._looked, self._activity = now, activity
        return None
