"""Each table equals its topic, under every fault: rounds of faults by seed on a warm tier under load, each compared.

Run it by ``make test-warm``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import rounds
from tests.contract.clickhouse.server import serving
from tests.disk import disk
from tests.own_stack import folder_in, own_stack
from tests.rounds import CONSOLE, Fault, Round
from tests.warm.disorder import disorders
from tests.warm.foreign import foreign
from tests.warm.kills import kills
from tests.warm.limits import limits
from tests.warm.world import World, running

from k2_local import Stack
from k2_local.child import terminable
from k2_shared.core.settings import RunSettings


@dataclass(frozen=True)
class Suite:
    """What is run: by which command, in which world, with which faults, so many in a round."""

    command: str
    about: str | None
    world: type[World]
    faults: Sequence[Fault]
    each: int = 2
    rounds: int = 20
    state: Path = Path(".k2/warm")


async def work(
    suite: Suite, settings: RunSettings, stack: Stack, folder: Path, plan: argparse.Namespace
) -> list[Round]:
    """Work through rounds in a world on a server of its own."""
    (folder / "data").mkdir()
    with disk(folder / "data") as has_own_disk, serving(folder) as server:
        async with running(settings, stack, server, folder, plan.seed, suite.world) as world:
            world.has_own_disk = has_own_disk
            return await rounds.work(world, suite.faults, suite.each, plan)


def run(suite: Suite) -> int:
    """Run, report, and return 1 where a table was not equal, a fault is unproven, or there were too few rounds."""
    taken = rounds.parser(suite.command, suite.about, each=suite.each, rounds=suite.rounds, state=suite.state)
    plan = taken.parse_args()
    folder = folder_in(plan.state, CONSOLE, "the server and the sinks")
    with terminable(), own_stack(plan.state / "stack", CONSOLE) as (stack, settings):
        done = asyncio.run(work(suite, settings, stack, folder, plan))
    found = rounds.counted(done)
    sys.stdout.write(json.dumps({"seed": plan.seed, **found}) + "\n")
    return int(rounds.has_failed(found, plan))


if __name__ == "__main__":
    sys.exit(run(Suite("make test-warm", __doc__, World, [*kills(), *disorders(), *limits(), *foreign()])))
