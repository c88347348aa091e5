"""Each table of the lake has its topics' rows, under every fault: rounds by seed on both catalogs, each compared.

Run it by ``make test-lake``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import sys

from tests import rounds
from tests.disk import disk
from tests.lake.disorder import disorders
from tests.lake.foreign import foreign
from tests.lake.kills import kills
from tests.lake.limits import limits
from tests.lake.world import running
from tests.on_catalogs import EACH, main
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Fault, Round

from k2_local.settings import Catalog


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
            return await rounds.work(world, faults(catalog), EACH, plan)

    with disk(store) as has_own_disk, own_stack(state / "stack", CONSOLE, catalog) as (stack, settings):
        return asyncio.run(worked())


if __name__ == "__main__":
    sys.exit(main("lake", __doc__, len(faults("postgres")), work))
