"""The CPU time before a person sees the version, help, or what a TAB completes.

Run it by ``make bench-cli``. Each is a process of its own, run several times; what counts is its user and system time,
so that a busy machine does not.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from tests.bench.harness import report, table

from k2.main import COMMANDS

GOAL_S = 0.4
RUNS = 5


@dataclass(frozen=True)
class Start:
    """A command line that ends as soon as it has said what there is; ``completed`` is what stands before a TAB."""

    arguments: Sequence[str]
    completed: str = ""

    def __str__(self) -> str:
        return f"{self.completed}<TAB>" if self.completed else " ".join(("k2", *self.arguments))

    @property
    def environment(self) -> Mapping[str, str]:
        """What bash sets besides when it asks for completions."""
        if not self.completed:
            return os.environ
        cursor = str(self.completed.count(" "))
        return {**os.environ, "_K2_COMPLETE": "complete_bash", "COMP_WORDS": self.completed, "COMP_CWORD": cursor}

    def cpu_s(self) -> float:
        """Seconds of user and system time that one run takes."""
        child = subprocess.Popen(
            [sys.executable, "-m", "k2", *self.arguments], env=self.environment, stdout=subprocess.DEVNULL
        )
        _, code, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(code)
        if child.returncode:
            raise SystemExit(f"{self} ended with {child.returncode}")
        return used.ru_utime + used.ru_stime


def starts() -> list[Start]:
    """The version, all help, and a TAB after the program's name and after each command's."""
    groups = [[], *([name] for name in COMMANDS)]
    helps = [Start([*group, "--help"]) for group in groups]
    tabs = [Start([], " ".join(("k2", *group, "-" if group else ""))) for group in groups]
    return [Start(["--version"]), *helps, *tabs]


def drawn(found: Mapping[str, Sequence[float]]) -> Table:
    """The times, each beside the goal."""
    made = table("CPU seconds of a start", "command", "min", "median", "goal", "met")
    for name, times in found.items():
        low, middle = min(times), statistics.median(times)
        made.add_row(name, f"{low:.3f}", f"{middle:.3f}", f"{GOAL_S}", "yes" if middle < GOAL_S else "no")
    return made


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="CPU time of the command line's starts.")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each; the minimum and the median are told")
    runs = parser.parse_args().runs
    found = {str(start): [start.cpu_s() for _ in range(runs)] for start in starts()}
    medians = {name: round(statistics.median(times), 3) for name, times in found.items()}
    report([drawn(found)], {**medians, "goal_s": GOAL_S, "runs": runs})


if __name__ == "__main__":
    main()
