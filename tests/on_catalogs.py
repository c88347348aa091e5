"""Rounds of faults on stacks with each catalog, from the command line: what suites of the lake share."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests import rounds
from tests.rounds import Round

from k2_local.child import terminable
from k2_local.settings import Catalog

EACH = 2
"""Faults of a round."""
_CATALOGS: Sequence[Catalog] = ("seaweed", "postgres")

Work = Callable[[Catalog, argparse.Namespace], list[Round]]
"""Works through rounds on a stack with a catalog."""


def main(name: str, about: str | None, faults: int, work: Work) -> int:
    """Run the suite ``make test-<name>``, report, and return 1 where something does not hold.

    That is a table that was not equal, a fault that is unproven, or too few rounds; by default each of the faults comes
    about once. Both catalogs are worked on side by side, by this command for each of them: most of a round is waiting.
    """
    count = -(-faults // EACH)
    taken = rounds.parser(f"make test-{name}", about, each=EACH, rounds=count, state=Path(".k2") / name)
    taken.add_argument("--catalog", choices=(*_CATALOGS, "both"), default="both", help="of the stack (default both)")
    plan = taken.parse_args()
    with terminable():
        found = _side_by_side() if plan.catalog == "both" else {plan.catalog: rounds.counted(work(plan.catalog, plan))}
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(any(rounds.has_failed(each, plan) for each in found.values()))


def _side_by_side() -> dict[str, dict[str, object]]:
    """What this command finds on each catalog; its lines for people begin with the catalog's name."""
    with ThreadPoolExecutor(len(_CATALOGS)) as told, ExitStack() as opened:  # who ends early ends the commands first
        begun = {catalog: opened.enter_context(_command(catalog)) for catalog in _CATALOGS}
        said = told.map(_found, begun, begun.values())
        return {name: each for found in said for name, each in found.items()}


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


def _found(catalog: Catalog, running: "subprocess.Popen[str]") -> Mapping[str, Any]:
    """What it finds.

    Raises:
        SystemExit: it ended without a word about that.
    """
    assert running.stderr is not None
    for line in running.stderr:
        sys.stderr.write(f"{catalog:<9}{line}")
    said, _ = running.communicate()
    if not said:
        raise SystemExit(f"on {catalog} it ended with {running.returncode}")
    found: dict[str, Any] = json.loads(said)
    return {catalog: found[catalog]}
