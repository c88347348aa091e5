"""Rounds of faults by seed in a world under load, each compared: what suites of such rounds share.

People are told on stderr.
"""

import argparse
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from k2_shared.core.errors import K2Error

SHOWN = 10
CONSOLE = Console(stderr=True, soft_wrap=True, highlight=False)


class World(Protocol):
    """What faults happen to."""

    rng: random.Random

    @property
    def records(self) -> int:
        """How many rows there must be."""

    async def mend(self) -> None:
        """Start what is to be up between faults and is not."""

    async def settle(self) -> list[str]:
        """Let everything arrive and compare it; what is not equal, or nothing."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a fault: whether it is proven, and by what."""

    proven: bool
    proof: str


@dataclass(frozen=True)
class Fault:
    """One kind of fault at one seam, and how often it comes beside others; ``inject`` is given the world."""

    name: str
    seam: str
    weight: int
    inject: Callable[[Any], Awaitable[Done]]


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
        CONSOLE.print(table)
        for line in self.unequal[:SHOWN]:
            CONSOLE.print(line, style="red")


def schedule(every: Sequence[Fault], rng: random.Random) -> Iterator[Fault]:
    """Every fault once, in any order, and then at random by its weight."""
    yield from rng.sample(every, len(every))
    while True:
        yield from rng.choices(every, [fault.weight for fault in every])


async def work(world: World, every: Sequence[Fault], each: int, plan: argparse.Namespace) -> list[Round]:
    """Work through rounds of ``each`` faults until there were enough or something does not hold."""
    rounds: list[Round] = []
    faults = (fault for fault in schedule(every, world.rng) if plan.only in f"{fault.name} {fault.seam}")
    while len(rounds) < plan.rounds and not (rounds and rounds[-1].unequal):
        rounds.append(await _round(world, list(itertools.islice(faults, each)), len(rounds) + 1))
    return rounds


async def _round(world: World, faults: Sequence[Fault], number: int) -> Round:
    began, found = time.monotonic(), Round(number)
    for fault in faults:
        CONSOLE.print(f"{fault.name}: {fault.seam}")
        found.done.append((fault, await _injected(world, fault)))
    try:
        await world.mend()
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
    except (K2Error, TimeoutError, OSError, ExceptionGroup) as error:  # of a world within the world, a group of them
        return Done(proven=False, proof=repr(error))


def counted(rounds: Sequence[Round]) -> dict[str, object]:
    """What rounds came to, for programs."""
    done = [(fault, each) for found in rounds for fault, each in found.done]
    return {
        "rounds": len(rounds),
        "faults": len(done),
        "kills": sum("killed" in f"{fault.name} {fault.seam}" and each.proven for fault, each in done),
        "unproven": [f"{fault.name}: {fault.seam}: {each.proof}" for fault, each in done if not each.proven],
        "unequal": [line for found in rounds for line in found.unequal][:SHOWN],
        "rows": rounds[-1].rows if rounds else 0,
        "minutes": round(sum(found.seconds for found in rounds) / 60, 1),
    }


def has_failed(found: dict[str, object], plan: argparse.Namespace) -> bool:
    """Whether something was not equal, a fault is unproven, or there were too few rounds."""
    return bool(found["unproven"] or found["unequal"]) or found["rounds"] != plan.rounds


def parser(command: str, about: str | None, *, each: int, rounds: int, state: Path) -> argparse.ArgumentParser:
    """What the command line of a suite takes."""
    made = argparse.ArgumentParser(prog=command, description=about)
    made.add_argument("--seed", type=int, default=7, help="of the records and of the faults (default 7)")
    made.add_argument("--rounds", type=int, default=rounds, help=f"of {each} faults each (default {rounds})")
    made.add_argument("--only", default="", help="only faults whose name or seam has this text")
    made.add_argument("--state", type=Path, default=state, help="folder of the stack and of the logs")
    return made
