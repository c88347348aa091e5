"""What the whole system takes of CPUs and memory at rates of trades, beside what each component is meant to take.

Run it by ``make bench-resources``. For each rate an empty stack, every agent and both feeds at the exchange simulator,
which replays recorded trades at that rate for ever. CPUs are the mean over the time after the warm-up, memory the most
that was seen (``k2 resources`` says of what). A rate is held where as much of it came to gold and to both its tables;
one that is not held, and a component that is over its target, end the benchmark with 1. Exchange and harness work on
the same machine, and count in no sum.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from tests.bench.harness import facts, report, table
from tests.bench.under_load import STAGES, Watched, watched
from tests.bench.whole_system import whole_system
from tests.own_stack import folder_in

from k2.resources.facts import Taken
from k2.resources.view import numbers as beside_target
from k2_local.child import terminable
from k2_local.settings import Catalog
from k2_shared.core.errors import K2Error

console = Console(stderr=True, soft_wrap=True, highlight=False)


def tables(found: Watched) -> list[Table]:
    """What was measured at one rate, for people."""
    said = found.report()
    made = table(
        f"at {found.offered:,.0f} trades a second, {found.seconds:,.0f} s",
        *("component", "CPUs", "target", "most MB", "target", "verdict"),
    )
    for each in (*said.components, said.own, said.total):
        made.add_row(each.name, *_cells(each))
    return [made, _load(found)]


def _cells(taken: Taken) -> Sequence[str]:
    if taken.usage is None:
        return "-", "-", "-", "-", taken.fault
    cpus, megabytes = (f"{taken.target.cpus:g}", f"{taken.target.memory_mb:,}") if taken.target else ("-", "-")
    return f"{taken.usage.cpu:.2f}", cpus, f"{taken.usage.memory_mb:,.0f}", megabytes, "over" if taken.over else "ok"


def _load(found: Watched) -> Table:
    held = "held" if found.is_held else f"NOT HELD: {found.held / found.offered:.0%} of it"
    said = {
        f"of {found.offered:,.0f} trades a second": f"{found.held:,.0f}, {held}",
        **{f"trades a second: {stage}": f"{found.rate(stage):,.0f}" for stage in STAGES},
        "CPUs of the exchange simulator, and idle": f"{found.simulator_cpu:.2f} and {found.idle_cpu:.2f}",
    }
    return facts("load", said)


def numbers(found: Watched) -> Mapping[str, object]:
    """What was measured at one rate, for programs."""
    said = found.report()
    return {
        "offered": found.offered,
        "held": round(found.held, 1),
        "is_held": found.is_held,
        "seconds": round(found.seconds),
        **{f"{stage}_rate": round(found.rate(stage), 1) for stage in STAGES},
        "components": {each.name: beside_target(each) for each in said.components},
        "own": beside_target(said.own),
        "total": beside_target(said.total),
        "problems": said.problems,
    }


def exit_code(measured: Sequence[Watched]) -> int:
    """0 where every rate was held and every target kept, else 1."""
    return int(not all(each.is_held and not each.report().problems for each in measured))


async def measure(rate: float, seconds: float, plan: argparse.Namespace) -> Watched:
    """The system at one rate, on a stack that is empty before and afterwards."""
    folder = folder_in(plan.state, console, f"the agents at {rate:,.0f} trades a second")
    async with whole_system(rate, plan.state / "stack", folder, console, plan.catalog) as system:
        console.print(f"everything runs; measuring {seconds:.0f} s after {plan.warm_up:.0f} s")
        await asyncio.sleep(plan.warm_up)
        return await watched(system, rate, seconds)


def shown(rate: float, plan: argparse.Namespace) -> Watched:
    """Measure one rate, and print tables for people and a line of JSON. Blocks for minutes."""
    found = asyncio.run(measure(rate, 60 * plan.minutes, plan))
    report(tables(found), numbers(found))
    return found


def rates(said: str) -> list[float]:
    """Numbers of trades a second, like ``1000,10000``.

    Raises:
        ValueError: one is no number, or none that can be played.
    """
    found = [float(each) for each in said.split(",")]
    if not all(10 <= each <= 100_000 for each in found):
        raise ValueError(said)
    return found


def main() -> int:
    """Print of each rate, as soon as it is measured, tables for people and one line of JSON; see ``exit_code``."""
    parser = argparse.ArgumentParser(prog="make bench-resources", description=__doc__)
    parser.add_argument("--rates", type=rates, default=[1_000, 10_000], help="trades a second, from 10 to 100000")
    parser.add_argument("--minutes", type=float, default=10.0, help="measured at each rate")
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds under load before that")
    parser.add_argument("--catalog", choices=get_args(Catalog), default="postgres", help="Iceberg catalog of the stack")
    parser.add_argument("--state", type=Path, default=Path(".k2/resources"), help="folder of the stack and of the logs")
    plan = parser.parse_args()
    try:
        with terminable():
            return exit_code([shown(rate, plan) for rate in plan.rates])
    except K2Error as error:
        raise SystemExit(f"{error}") from None


if __name__ == "__main__":
    sys.exit(main())
