"""Nothing fails, is lost or doubled because of the maintenance: rounds by seed on both catalogs, each compared.

Run it by ``make test-maintenance``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import rounds
from tests.maintenance.faults import faults
from tests.maintenance.world import running
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Round

from k2_local.child import terminable
from k2_local.settings import Catalog

_EACH = 2
_CATALOGS: Sequence[Catalog] = ("seaweed", "postgres")


def work(catalog: Catalog, plan: argparse.Namespace) -> list[Round]:
    """Work through rounds on a stack of their own."""
    state = plan.state / catalog
    folder = folder_in(state, CONSOLE, "the maintenance")
    with own_stack(state / "stack", CONSOLE, catalog) as (stack, settings):

        async def worked() -> list[Round]:
            async with running(settings, stack, folder, plan.seed) as world:
                return await rounds.work(world, faults(), _EACH, plan)

        return asyncio.run(worked())


def main() -> int:
    """Run, report, and return 1 where rows were not equal, a fault is unproven, or there were too few rounds."""
    count = -(-len(faults()) // _EACH)
    taken = rounds.parser("make test-maintenance", __doc__, each=_EACH, rounds=count, state=Path(".k2/maintenance"))
    taken.add_argument("--catalog", choices=(*_CATALOGS, "both"), default="both", help="of the stack (default both)")
    plan = taken.parse_args()
    wanted = _CATALOGS if plan.catalog == "both" else (plan.catalog,)
    with terminable():
        found = {catalog: rounds.counted(work(catalog, plan)) for catalog in wanted}
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(any(rounds.has_failed(each, plan) for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
