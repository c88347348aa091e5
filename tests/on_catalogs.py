"""Rounds of faults on stacks with each catalog, from the command line: what suites of the lake share."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import rounds
from tests.rounds import Round

from k2_local.child import terminable
from k2_local.settings import Catalog

EACH = 2
"""Faults of a round, where a suite says nothing else."""
_CATALOGS: Sequence[Catalog] = ("seaweed", "postgres")

Work = Callable[[Catalog, argparse.Namespace], list[Round]]
"""Works through rounds on a stack with a catalog."""


def main(name: str, about: str | None, faults: int, work: Work, each: int = EACH) -> int:
    """Run the suite ``make test-<name>``, report, and return 1 where something does not hold.

    That is a table that was not equal, a fault that is unproven, or too few rounds; by default each of the faults comes
    about once. Both catalogs are worked on side by side, by this command for each of them: most of a round is waiting.
    """
    count = -(-faults // each)
    taken = rounds.parser(f"make test-{name}", about, each=each, rounds=count, state=Path(".k2") / name)
    taken.add_argument("--catalog", choices=(*_CATALOGS, "both"), default="both", help="of the stack (default both)")
    plan = taken.parse_args()
    with terminable():
        found = _side_by_side() if plan.catalog == "both" else {plan.catalog: rounds.counted(work(plan.catalog, plan))}
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(any(rounds.has_failed(each, plan) for each in found.values()))


def _side_by_side() -> dict[str, dict[str, object]]:
    """What this command finds on each catalog; its lines for people begin with the catalog's name."""
    with ThreadPoolExecutor(2 * len(_CATALOGS)) as threads, ExitStack() as opened:  # who ends early ends commands first
        begun = {catalog: opened.enter_context(_command(catalog)) for catalog in _CATALOGS}
        for catalog, running in begun.items():
            threads.submit(_tell, catalog, running)
        return dict(zip(begun, threads.map(_found, begun, begun.values()), strict=True))


@contextmanager
def _command(catalog: Catalog) -> Iterator["subprocess.Popen[str]"]:
    """Begin this command on one catalog; it does not outlive the block."""
    words = [sys.executable, *sys.orig_argv[1:], f"--catalog={catalog}"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


def _tell(catalog: Catalog, running: "subprocess.Popen[str]") -> None:
    assert running.stderr is not None
    for line in running.stderr:
        sys.stderr.write(f"{catalog:<9}{line}")


def _found(catalog: Catalog, running: "subprocess.Popen[str]") -> dict[str, object]:
    """What it finds, which is its last line: parts of a service that work in it log before that.

    Raises:
        SystemExit: it ended without a word about that.
    """
    assert running.stdout is not None
    *_, said = ["", *running.stdout]
    try:
        found: dict[str, object] = json.loads(said)[catalog]
    except (ValueError, TypeError, KeyError):
        raise SystemExit(f"on {catalog} it ended with {running.wait()}") from None
    return found
