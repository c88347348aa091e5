"""What components took over a time, beside their targets, as values; and one verdict of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from k2_shared.core.resources import Component, Resources, ResourceTarget

OK = "ok"
OWN, TOTAL = "own processes", "total"


@dataclass(frozen=True, slots=True)
class Usage:
    """CPUs (CPU seconds a second of the clock) and memory in MB of 1,048,576 bytes."""

    cpu: float
    memory_mb: float


def together(usages: Iterable[Usage]) -> Usage:
    """The sum of what several take; nothing is nothing."""
    each = list(usages)
    return Usage(sum(one.cpu for one in each), sum(one.memory_mb for one in each))


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured under a name; ``usage`` is None where nothing runs, and ``fault`` says what was looked for."""

    name: str
    usage: Usage | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one component, or several together, took; ``target`` is None where none is known."""

    name: str
    usage: Usage | None
    target: ResourceTarget | None
    fault: str = ""

    @property
    def over(self) -> list[str]:
        """What is beyond the target, in words; what is as much as it is not."""
        if self.usage is None or self.target is None:
            return []
        pairs = (
            (self.usage.cpu, self.target.cpus, "CPUs", ".2f"),
            (self.usage.memory_mb, self.target.memory_mb, "MB", ".0f"),
        )
        return [f"{taken:{form}} of {most:g} {unit}" for taken, most, unit, form in pairs if taken > most]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured, over so many seconds."""

    seconds: float
    components: Sequence[Taken]
    own: Taken
    total: Taken

    @property
    def problems(self) -> list[str]:
        """What does not run, and what takes more than it is meant to."""
        silent = [f"{each.name} does not run: {each.fault}" for each in self.components if each.usage is None]
        return silent + [
            f"{each.name} over its target: {' and '.join(each.over)}"
            for each in (*self.components, self.own, self.total)
            if each.over
        ]

    @property
    def verdict(self) -> str:
        """``ok``, or everything that is wrong in one line."""
        return "; ".join(self.problems) or OK

    @property
    def exit_code(self) -> int:
        """0 ok, 1 not ok, 4 where nothing runs at all."""
        return 4 if not any(each.usage for each in self.components) else int(bool(self.problems))


def reported(measured: Sequence[Measured], seconds: float, known: Resources) -> Report:
    """Everything beside its target; the total's is that with what is ``batch`` where some of that runs."""
    found = [(each, known.find(each.name)) for each in measured]
    most = known.batch if any(of and of.batch and each.usage for each, of in found) else known.plain
    components = [Taken(each.name, each.usage, of.target if of else None, each.fault) for each, of in found]
    own = Taken(OWN, _sum(found, lambda of: of is not None and of.own), known.own)
    return Report(seconds, components, own, Taken(TOTAL, _sum(found, lambda _: True), most))


def _sum(found: Sequence[tuple[Measured, Component | None]], counts: Callable[[Component | None], bool]) -> Usage:
    return together(each.usage for each, of in found if each.usage and counts(of))
