"""Cold equals warm and the log of all that warm was ever told, under every fault: rounds by seed on both catalogs.

Run it by ``make test-cold``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import sys

from tests import rounds
from tests.cold.faults import faults
from tests.cold.world import running
from tests.on_catalogs import EACH, main
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Round

from k2_local.settings import Catalog


def work(catalog: Catalog, plan: argparse.Namespace) -> list[Round]:
    """Work through rounds on a stack of their own."""
    state = plan.state / catalog
    folder = folder_in(state, CONSOLE, "the offload")
    with own_stack(state / "stack", CONSOLE, catalog) as (stack, settings):

        async def worked() -> list[Round]:
            async with running(settings, stack, folder, plan.seed) as world:
                return await rounds.work(world, faults(), EACH, plan)

        return asyncio.run(worked())


if __name__ == "__main__":
    sys.exit(main("cold", __doc__, len(faults()), work))
