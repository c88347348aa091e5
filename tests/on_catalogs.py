"""Rounds of faults on stacks with each catalog, from the command line: what suites of the lake share."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

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
    about once.
    """
    count = -(-faults // EACH)
    taken = rounds.parser(f"make test-{name}", about, each=EACH, rounds=count, state=Path(".k2") / name)
    taken.add_argument("--catalog", choices=(*_CATALOGS, "both"), default="both", help="of the stack (default both)")
    plan = taken.parse_args()
    wanted = _CATALOGS if plan.catalog == "both" else (plan.catalog,)
    with terminable():
        found = {catalog: rounds.counted(work(catalog, plan)) for catalog in wanted}
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(any(rounds.has_failed(each, plan) for each in found.values()))
