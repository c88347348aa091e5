"""Each table equals its topic, under every fault: rounds of faults by seed on a warm tier under load, each compared.

Run it by ``make test-warm``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.contract.clickhouse.server import serving
from tests.own_stack import folder_in, own_stack
from tests.warm.disk import disk
from tests.warm.disorder import disorders
from tests.warm.faults import Done, Fault
from tests.warm.foreign import foreign
from tests.warm.kills import kills
from tests.warm.limits import limits
from tests.warm.world import World, running

from k2_local import Stack
from k2_local.child import terminable
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import RunSettings

_SHOWN = 10
_console = Console(stderr=True, soft_wrap=True, highlight=False)


@dataclass
class Round:
    """The faults of one round, what came of each, and what was not equal after them."""

    number: int
    done: list[tuple[Fault, Done]] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0

    def show(self) -> None:
        """Tell of it."""
        said = "tables equal topics" if not self.unequal else "NOT EQUAL"
        table = Table("fault", "at", "proven", "by", title=f"round {self.number}: {self.rows} rows, {said}")
        for fault, done in self.done:
            table.add_row(fault.name, fault.seam, "yes" if done.proven else "NO", done.proof)
        _console.print(table)
        for line in self.unequal[:_SHOWN]:
            _console.print(line, style="red")


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


def schedule(every: Sequence[Fault], rng: random.Random) -> Iterator[Fault]:
    """Every fault once, in any order, and then at random by its weight."""
    yield from rng.sample(every, len(every))
    while True:
        yield from rng.choices(every, [fault.weight for fault in every])


async def work(
    suite: Suite, settings: RunSettings, stack: Stack, folder: Path, plan: argparse.Namespace
) -> list[Round]:
    """Work through rounds until there were enough or something does not hold."""
    rounds: list[Round] = []
    (folder / "data").mkdir()
    with disk(folder / "data") as has_own_disk, serving(folder) as server:
        async with running(settings, stack, server, folder, plan.seed, suite.world) as world:
            world.has_own_disk = has_own_disk
            faults = (fault for fault in schedule(suite.faults, world.rng) if plan.only in f"{fault.name} {fault.seam}")
            while len(rounds) < plan.rounds and not (rounds and rounds[-1].unequal):
                rounds.append(await _round(world, list(itertools.islice(faults, suite.each)), len(rounds) + 1))
    return rounds


async def _round(world: World, faults: Sequence[Fault], number: int) -> Round:
    began, found = time.monotonic(), Round(number)
    for fault in faults:
        _console.print(f"{fault.name}: {fault.seam}")
        found.done.append((fault, await _injected(world, fault)))
    try:
        await world.server_up()
        await world.sink_up()
        found.unequal = await world.settle()
    except K2Error as error:
        found.unequal = [str(error)]
    found.rows, found.seconds = world.records, time.monotonic() - began
    found.show()
    return found


async def _injected(world: World, fault: Fault) -> Done:
    """Inject one fault; where it did not come about, that is said instead of a proof."""
    try:
        return await fault.inject(world)
    except (K2Error, TimeoutError, OSError) as error:
        return Done(proven=False, proof=repr(error))


def summary(seed: int, rounds: list[Round]) -> dict[str, object]:
    """The line for programs."""
    done = [(fault, each) for found in rounds for fault, each in found.done]
    return {
        "seed": seed,
        "rounds": len(rounds),
        "faults": len(done),
        "kills": sum("killed" in f"{fault.name} {fault.seam}" and each.proven for fault, each in done),
        "unproven": [f"{fault.name}: {fault.seam}: {each.proof}" for fault, each in done if not each.proven],
        "unequal": [line for found in rounds for line in found.unequal][:_SHOWN],
        "rows": rounds[-1].rows if rounds else 0,
        "minutes": round(sum(found.seconds for found in rounds) / 60, 1),
    }


def parsed(suite: Suite) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog=suite.command, description=suite.about)
    parser.add_argument("--seed", type=int, default=7, help="of the records and of the faults (default 7)")
    parser.add_argument(
        "--rounds", type=int, default=suite.rounds, help=f"of {suite.each} faults each (default {suite.rounds})"
    )
    parser.add_argument("--only", default="", help="only faults whose name or seam has this text")
    parser.add_argument("--state", type=Path, default=suite.state, help="folder of the stack and of the logs")
    return parser.parse_args()


def run(suite: Suite) -> int:
    """Run, report, and return 1 where a table was not equal, a fault is unproven, or there were too few rounds."""
    plan = parsed(suite)
    folder = folder_in(plan.state, _console, "the server and the sinks")
    with terminable(), own_stack(plan.state / "stack", _console) as (stack, settings):
        rounds = asyncio.run(work(suite, settings, stack, folder, plan))
    found = summary(plan.seed, rounds)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(bool(found["unproven"] or found["unequal"] or len(rounds) < plan.rounds))


if __name__ == "__main__":
    sys.exit(run(Suite("make test-warm", __doc__, World, [*kills(), *disorders(), *limits(), *foreign()])))
