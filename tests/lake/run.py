"""Each table of the lake has its topics' rows, under every fault: rounds by seed on both catalogs, each compared.

Run it by ``make test-lake``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import rounds
from tests.disk import disk
from tests.lake.disorder import disorders
from tests.lake.foreign import foreign
from tests.lake.kills import kills
from tests.lake.limits import limits
from tests.lake.world import running
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Fault, Round

from k2_local.child import terminable
from k2_local.settings import Catalog

_EACH = 2
_CATALOGS: Sequence[Catalog] = ("seaweed", "postgres")


def faults(catalog: Catalog) -> list[Fault]:
    """Those that a lake with such a catalog can meet."""
    return [*kills(), *disorders(), *limits(catalog), *foreign()]


def work(catalog: Catalog, plan: argparse.Namespace) -> list[Round]:
    """Work through rounds on a stack of their own, whose store has a disk of its own where the system allows it."""
    state = plan.state / catalog
    folder = folder_in(state, CONSOLE, "the sinks")
    store = state / "stack" / "seaweed" / "data"
    store.mkdir(parents=True, exist_ok=True)

    async def worked() -> list[Round]:
        async with running(settings, stack, folder, plan.seed, store if has_own_disk else None) as world:
            return await rounds.work(world, faults(catalog), _EACH, plan)

    with disk(store) as has_own_disk, own_stack(state / "stack", CONSOLE, catalog) as (stack, settings):
        return asyncio.run(worked())


def main() -> int:
    """Run, report, and return 1 where a table was not equal, a fault is unproven, or there were too few rounds."""
    count = -(-len(faults("postgres")) // _EACH)
    taken = rounds.parser("make test-lake", __doc__, each=_EACH, rounds=count, state=Path(".k2/lake"))
    taken.add_argument("--catalog", choices=(*_CATALOGS, "both"), default="both", help="of the stack (default both)")
    plan = taken.parse_args()
    wanted = _CATALOGS if plan.catalog == "both" else (plan.catalog,)
    with terminable():
        found = {catalog: rounds.counted(work(catalog, plan)) for catalog in wanted}
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(any(rounds.has_failed(each, plan) for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
