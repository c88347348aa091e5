"""Exactly once under faults, for as long as it takes: faults by seed on a pipeline under load, verified in rounds.

Run it by ``make test-exactly-once``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.faults.faults import Fault, Injected, injected
from tests.faults.rig import Rig, running
from tests.faults.rounds import check, check_afresh
from tests.faults.schedule import schedule
from tests.faults.verifier import Violation
from tests.own_stack import folder_in, own_stack

from k2_local import Stack
from k2_local.child import terminable
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD
from k2_support.topics import create_lasting

PER_SECOND = 120
ROUND = 10
_SHOWN = 10
_console = Console(stderr=True, soft_wrap=True, highlight=False)


@dataclass
class Report:
    """What was done and what was found."""

    seed: int
    began: float = field(default_factory=time.monotonic)
    injected: list[Injected] = field(default_factory=list)
    violations: list[Violation | str] = field(default_factory=list)
    rounds: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def unproven(self) -> list[Injected]:
        """The faults of which nobody can say that they happened."""
        return [fault for fault in self.injected if not fault.proven]

    @property
    def minutes(self) -> float:
        """How long it took so far."""
        return (time.monotonic() - self.began) / 60

    def take_stock(self, rig: Rig) -> None:
        """Count what went through so far."""
        self.counts = {
            "deliveries": len(rig.oracle.log.deliveries),
            "gold": len(rig.observed.records[GOLD]),
            "aborted": rig.observed.uncommitted - rig.observed.committed,
            "offset_samples": rig.watch.samples,
            "starts": sum(agent.starts for agent in rig.agents),
        }


async def work(report: Report, settings: RunSettings, stack: Stack, folder: Path, plan: argparse.Namespace) -> None:
    """Inject faults and verify until there were enough, time is up, or something does not hold."""
    schema_id = next(iter((await create_lasting(settings)).values()))
    async with running(settings, schema_id, folder, plan.seed, PER_SECOND, stack) as rig:
        verified = 0
        for faults in takewhile(lambda _: _goes_on(report, plan), schedule(rig.rng)):
            for done in await asyncio.gather(*(_injected(rig, fault) for fault in faults)):
                report.injected += done
            await rig.recover()
            if len(report.injected) - verified >= ROUND:
                verified = len(report.injected)
                await _round(report, rig)
        await _round(report, rig)
        report.violations += await check_afresh(rig)


def _goes_on(report: Report, plan: argparse.Namespace) -> bool:
    return len(report.injected) < plan.faults and report.minutes < plan.minutes and not report.violations


async def _injected(rig: Rig, fault: Fault) -> list[Injected]:
    """Inject one fault; where it did not come about, that is said instead of a proof."""
    try:
        done = await fault.inject(rig)
    except (K2Error, TimeoutError, OSError) as error:
        done = [injected(fault.name, proven=False, proof=repr(error))]
    for one in done:
        _console.print(f"{one.at} {'ok' if one.proven else 'UNPROVEN'} {one.fault}: {one.proof}")
    return done


async def _round(report: Report, rig: Rig) -> None:
    """Verify everything so far."""
    try:
        report.violations += await check(rig)
    except K2Error as error:
        report.violations.append(str(error))
    report.rounds += 1
    report.take_stock(rig)
    _console.print(f"round {report.rounds}: {report.counts}, {len(report.violations)} violations")


def show(report: Report) -> None:
    """The table for people and the line for programs."""
    table = Table("fault", "injected", "proven")
    for name in sorted({fault.fault for fault in report.injected}):
        here = [fault for fault in report.injected if fault.fault == name]
        table.add_row(name, str(len(here)), str(sum(fault.proven for fault in here)))
    _console.print(table)
    for violation in report.violations[:_SHOWN]:
        _console.print(str(violation), style="red")
    summary = {
        "seed": report.seed,
        "faults": len(report.injected),
        "unproven": [fault.fault for fault in report.unproven],
        "violations": [str(violation) for violation in report.violations[:_SHOWN]],
        "rounds": report.rounds,
        "minutes": round(report.minutes, 1),
        **report.counts,
    }
    sys.stdout.write(json.dumps(summary) + "\n")


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make test-exactly-once", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="of the content and of the faults (default 7)")
    parser.add_argument("--faults", type=int, default=200, help="how many at least (default 200)")
    parser.add_argument("--minutes", type=float, default=60, help="stop injecting after so long (default 60)")
    parser.add_argument("--state", type=Path, default=Path(".k2/faults"), help="folder of the stack and of the logs")
    return parser.parse_args()


def main() -> int:
    """Run, report, and return 1 where a promise was broken, a fault is unproven, or there were too few."""
    plan = parsed()
    report, folder = Report(plan.seed), folder_in(plan.state, _console, "the agents and of the deliveries")
    with terminable(), own_stack(plan.state / "stack", _console) as (stack, settings):
        asyncio.run(work(report, settings, stack, folder, plan))
    show(report)
    return int(bool(report.violations or report.unproven or len(report.injected) < plan.faults))


if __name__ == "__main__":
    sys.exit(main())
