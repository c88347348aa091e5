"""What is repeated: each run of the suite in its own circumstances, and what its report says of it; no processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

NO_TEST = "(no test)"


@dataclass(frozen=True)
class Circumstances:
    """How one run is made: beside busy processes, in a script's background, with its tests in another order."""

    number: int
    load: int
    background: bool
    seed: int | None

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"run-{self.number:02}"


@dataclass(frozen=True)
class FinishedRun:
    """How one run ended: ``failed`` are the tests by name, or ``NO_TEST`` where it failed without one."""

    circumstances: Circumstances
    seconds: float
    tests: int
    failed: tuple[str, ...]


def planned_runs(times: int, load: int, seed: int) -> Iterator[Circumstances]:
    """Every second run beside the load, every second pair in the background, all but the first pair shuffled."""
    for index in range(times):
        shuffled = seed + index if index > 1 else None
        yield Circumstances(index + 1, load if index % 2 else 0, bool(index // 2 % 2), shuffled)


def outcome(circumstances: Circumstances, seconds: float, code: int, junit: Path) -> FinishedRun:
    """Read a run's JUnit report; a run that ended badly without a failed test is a failure of its own."""
    cases = list(ElementTree.parse(junit).iter("testcase")) if junit.exists() else []  # noqa: S314  # our own file
    failed = [_name(case) for case in cases if any(case.find(kind) is not None for kind in ("failure", "error"))]
    if code and not failed:
        failed = [NO_TEST]
    return FinishedRun(circumstances, seconds, len(cases), tuple(dict.fromkeys(failed)))


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def failures(runs: Sequence[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """The runs in which each test failed, the most frequent first."""
    found: dict[str, list[FinishedRun]] = {}
    for run in runs:
        for test in run.failed:
            found.setdefault(test, []).append(run)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
