"""``make test`` again and again, in other circumstances each time: a test that fails once fails by chance.

Run it by ``make test-repeat``. The output of each run is kept. People are told on stderr; the last line on stdout is
one JSON object.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table
from tests.own_stack import folder_in
from tests.repeat.plan import Circumstances, FinishedRun, failures, outcome, planned_runs

LONGEST_S = 3_600
_BUSY = f"import time; end = time.monotonic() + {LONGEST_S}\nwhile time.monotonic() < end: pass"

console = Console(stderr=True, soft_wrap=True)


def main(arguments: Sequence[str]) -> int:
    """Repeat; returns 0 where no test failed in any run."""
    plan = _plan(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = folder_in(plan.state, console, "the runs").absolute()
    runs = []
    for circumstances in planned_runs(plan.times, plan.load, plan.seed):
        runs.append(_run(circumstances, folder, plan.args))
        console.print(_told(runs[-1]), highlight=False)
    _report(runs)
    return int(any(run.failed for run in runs))


def _plan(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-repeat", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="how often")
    parser.add_argument("--load", type=int, default=2, help="busy processes beside every second run")
    parser.add_argument("--seed", type=int, default=1, help="of the orders of tests")
    parser.add_argument("--args", default="", help="for pytest, as '-k dlq'")
    parser.add_argument("--state", type=Path, required=True, help="folder for the runs' output")
    return parser.parse_args(arguments)


def _run(circumstances: Circumstances, folder: Path, extra: str) -> FinishedRun:
    junit, began = folder / f"{circumstances.name}.xml", time.monotonic()
    order = [] if circumstances.seed is None else ["--random-order", f"--random-order-seed={circumstances.seed}"]
    words = shlex.join([*order, f"--junitxml={junit}"])
    make = ["make", "test", f"ARGS={words} {extra}"]
    with _load(circumstances.load), (folder / f"{circumstances.name}.log").open("wb") as log:
        command = ["sh", "-c", f"{shlex.join(make)} & wait $!"] if circumstances.background else make
        code = _finished(command, log)
    return outcome(circumstances, time.monotonic() - began, code, junit)


def _finished(command: Sequence[str], log: IO[bytes]) -> int:
    """Run to the end; whatever ends us ends all that the command started."""
    process = subprocess.Popen(
        command, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    try:
        return process.wait(LONGEST_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _environment() -> Mapping[str, str]:
    """Ours, without what the outer make would tell the inner one."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")}


@contextmanager
def _load(processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _told(run: FinishedRun) -> str:
    what = ", ".join(run.failed) or "passed"
    return f"{run.circumstances.name}: {run.tests} tests in {run.seconds:.0f} s: {what}"


def _report(runs: Sequence[FinishedRun]) -> None:
    made = Table("run", "beside", "where", "order", "tests", "seconds", "failed")
    for run in runs:
        how = run.circumstances
        order = "as written" if how.seed is None else f"seed {how.seed}"
        where = "background" if how.background else "foreground"
        made.add_row(
            how.name, f"{how.load} busy", where, order, str(run.tests), f"{run.seconds:.0f}", str(len(run.failed))
        )
    console.print(made)
    found = failures(runs)
    if found:
        by_test = Table("test", "failed", "in")
        for test, where_ in found.items():
            by_test.add_row(test, f"{len(where_)} of {len(runs)}", ", ".join(run.circumstances.name for run in where_))
        console.print(by_test)
    said = {"runs": [asdict(run) for run in runs], "failures": {test: len(where) for test, where in found.items()}}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
