"""What processes of this machine take, each with those that it has started.

CPU is what a process and its children, ended ones too, have used in a time. Memory is their proportional set (PSS):
what a process alone has mapped, and its part of what it shares, so that the buffers of all of PostgreSQL's processes
count once; where the system does not tell (macOS, another user's process) it is what is resident. Pages of files
that nobody has mapped are the kernel's, and count nowhere.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from k2.resources.facts import Measured, Usage

MB = 1_048_576


@dataclass(frozen=True, slots=True)
class Sought:
    """The process of a component: where it was looked for, and its pid where it was found."""

    name: str
    where: str
    pid: int | None


class ProcessTree:
    """A process and all that it has started."""

    def __init__(self, pid: int) -> None:
        """Take the process that has this pid now.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        self._root = psutil.Process(pid)

    def cpu_s(self) -> float:
        """CPU seconds since they were started.

        Raises:
            psutil.NoSuchProcess: the process has ended.
        """
        return sum(map(_cpu_s, self._members()))

    def memory_mb(self) -> float:
        """What they hold now.

        Raises:
            psutil.NoSuchProcess: the process has ended.
        """
        return sum(map(_bytes, self._members())) / MB

    def _members(self) -> list[psutil.Process]:
        if not self._root.is_running() or self._root.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(self._root.pid)
        return [self._root, *self._root.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.Error):  # it has ended since it was listed: its parent's times have it
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)  # ended children's, too
    return 0.0


def _bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        try:
            found = process.memory_full_info()
        except psutil.AccessDenied:
            found = process.memory_info()
        return int(getattr(found, "pss", found.rss))
    return 0


class Sampler:
    """Measures processes again and again: what they took since the last time. Not for several threads."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._trees = {name: tree for name, pid in pids.items() if (tree := _tree(pid))}
        self._looked: dict[str, tuple[float, float]] = {}
        self.look()

    def look(self) -> dict[str, Usage]:
        """What each took since the last look, and holds now; one that has ended is left out."""
        found = {}
        for name, tree in list(self._trees.items()):
            try:
                now, cpu_s, memory_mb = time.monotonic(), tree.cpu_s(), tree.memory_mb()
            except psutil.NoSuchProcess:
                del self._trees[name]
                continue
            since, before_s = self._looked.get(name, (now, cpu_s))
            self._looked[name] = now, cpu_s
            found[name] = Usage(max(0.0, cpu_s - before_s) / max(now - since, 1e-9), memory_mb)
        return found


def _tree(pid: int) -> ProcessTree | None:
    with suppress(psutil.NoSuchProcess):
        return ProcessTree(pid)
    return None


def measured(sought: Sequence[Sought], seconds: float) -> list[Measured]:
    """Measure processes for so many seconds. Blocks for that time."""
    sampler = Sampler({each.name: each.pid for each in sought if each.pid is not None})
    time.sleep(seconds)
    found = sampler.look()
    return [Measured(each.name, found.get(each.name), each.where) for each in sought]
