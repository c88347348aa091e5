"""Nothing fails, is lost or doubled because of the maintenance: rounds by seed on both catalogs, each compared.

Run it by ``make test-maintenance``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import sys

from tests import rounds
from tests.maintenance.faults import faults
from tests.maintenance.world import running
from tests.on_catalogs import main
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Round

from k2_local.settings import Catalog

EACH = 4  # of a round, whose comparison of all tables and tiers takes minutes


def work(catalog: Catalog, plan: argparse.Namespace) -> list[Round]:
    """Work through rounds on a stack of their own."""
    state = plan.state / catalog
    folder = folder_in(state, CONSOLE, "the maintenance")
    with own_stack(state / "stack", CONSOLE, catalog) as (stack, settings):

        async def worked() -> list[Round]:
            async with running(settings, stack, folder, plan.seed) as world:
                return await rounds.work(world, faults(), EACH, plan)

        return asyncio.run(worked())


if __name__ == "__main__":
    sys.exit(main("maintenance", __doc__, len(faults()), work, EACH))
