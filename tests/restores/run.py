"""Each part of K2 is backed up, lost and restored as deploy/README.md says, and everything goes on from where it was.

Run it by ``make test-restores``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.own_stack import folder_in, own_stack
from tests.restores import broker, bucket, database, lake, warm
from tests.restores.world import World, running
from tests.rounds import CONSOLE
from tests.steps import Steps

from k2_local import Stack, StackSettings
from k2_local.child import terminable
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import RunSettings

_FILLED = 20  # batches
RESTORES: Mapping[str, Callable[[World, Steps], Awaitable[None]]] = {
    "broker": broker.restored,
    "postgresql": database.restored,
    "lake": lake.restored,
    "clickhouse": warm.restored,
    "bucket": bucket.restored,
}


def main() -> int:
    """Run the suite, report, and return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="make test-restores", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".k2/restores"), help="folder of the stack and of the logs")
    parser.add_argument("--seed", type=int, default=7, help="of the records (default 7)")
    parser.add_argument(
        "--only", choices=RESTORES, action="append", help="this restore, again for more; all by default"
    )
    plan = parser.parse_args()
    folder = folder_in(plan.state, CONSOLE, "the agents")
    Stack(StackSettings.load(k2_state_dir=plan.state / "stack")).reset()  # a broker grows slow with former runs' topics
    with terminable(), own_stack(plan.state / "stack", CONSOLE, "postgres") as (stack, settings):
        done = [_tried(name, settings, stack, folder, plan.seed) for name in plan.only or RESTORES]
    for each in done:
        each.show()
    sys.stdout.write(json.dumps({each.title: each.unequal for each in done}) + "\n")
    return int(any(each.unequal for each in done))


def _tried(name: str, settings: RunSettings, stack: Stack, folder: Path, seed: int) -> Steps:
    """One restore, on topics and tables of its own."""
    steps = Steps(name)
    own = settings.model_copy(update={"k2_prefix": f"{settings.k2_prefix.rstrip('.')}-{name}."})

    async def worked() -> None:
        async with running(own, stack, folder / name, seed) as world:
            with steps.step("a pipeline is filled: each table equals its topics"):
                await world.feed(_FILLED)
                await world.settle()
            await RESTORES[name](world, steps)

    try:
        asyncio.run(worked())
    except K2Error as error:
        steps.unequal = steps.unequal or [str(error)]
    return steps


if __name__ == "__main__":
    sys.exit(main())
