"""How long a process is waited for: as long as it works, within a limit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_CPU_S = 0.1
_WRITTEN = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has done since its start."""

    cpu_s: float = 0.0
    waited_s: float = 0.0  # of its threads that are there now, for the CPU; 0 where the operating system does not tell
    written: int = 0  # bytes to the disk; 0 where the operating system does not tell

    def is_sign_after(self, before: "Work") -> bool:
        """Whether it did, or wanted to do, more than a process does that is at rest."""
        used = self.cpu_s >= before.cpu_s + _CPU_S or self.waited_s >= before.waited_s + _CPU_S
        return used or self.written >= before.written + _WRITTEN


class Working(Protocol):
    """What can be waited for."""

    def work(self) -> Work:
        """What it has done until now."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """A machine that is slow is no fault: what is given up is a process that does nothing, or never ends to work."""

    idle_s: float  # without a sign of work
    limit_s: float  # in all

    def with_(self, process: Working, clock: Callable[[], float] = time.monotonic) -> "Wait":
        """Begin to wait."""
        return Wait(self, process, clock)


class Wait:
    """One wait for a process; to be asked again and again while it lasts."""

    def __init__(self, patience: Patience, process: Working, clock: Callable[[], float]) -> None:
        self._patience, self._process, self._clock = patience, process, clock
        self._began = self._looked = clock()
        self._work = process.work()

    def over(self) -> str | None:
        """Why it is over, in words that follow what did not happen, or None while it is not."""
        now, patience = self._clock(), self._patience
        if now - self._began > patience.limit_s:
            return f"within K2_WORK_TIMEOUT_S={patience.limit_s:g}"
        if now - self._looked > patience.idle_s:
            work = self._process.work()
            if not work.is_sign_after(self._work):
                return f"and showed no sign of work for {patience.idle_s:.0f} s"
            self._looked, self._work = now, work
        return None
