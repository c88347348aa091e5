"""Both feeds for as long as it takes under a storm of faults: not one trade id is lost, none comes twice out of gold.

Run it by ``make soak-feeds``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.faults.supervisor import until
from tests.feeds.soak_report import Report, lines
from tests.feeds.soak_rig import Rig, running
from tests.feeds.soak_scenes import Progress
from tests.feeds.soak_storm import KILL, TERMINATE
from tests.feeds.soak_strikes import Storm
from tests.feeds.soak_watch import Ids
from tests.own_stack import folder_in, own_stack

from k2_local.child import terminable
from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage.feed_records import EventKind
from k2_shared.feed.venue.settings import FeedSettings
from k2_support.topics import create_lasting
from k2_support.waiting import Condition

ROTATION = "rotation"
_ASKED = (0, -signal.SIGTERM, -signal.SIGKILL)  # SIGTERM comes too early for an order now and then
ROTATE_AFTER_S = 90
SETTLE_S, GOLD_S, TELL_S = 600.0, 180.0, 15.0
LEAST_KINDS, MANY_FAULTS = 15, 100
LONG_MINUTES = 15.0  # of which a feed's last process lives long enough for its memory to be judged
SHOWN = 4  # symbols
STORM_SHARE = 0.9  # of the pace: what a strike itself takes is not counted
Work = Callable[[Report, RunSettings, Path, argparse.Namespace], Coroutine[Any, Any, None]]
console = Console(stderr=True, soft_wrap=True, highlight=False, width=None if sys.stderr.isatty() else 200)


async def work(report: Report, settings: RunSettings, folder: Path, plan: argparse.Namespace) -> None:
    """Let the storm pass, then verify."""
    schema_id = next(iter((await create_lasting(settings)).values()))
    rotate = {"FEED_ROTATE_AFTER_S": str(ROTATE_AFTER_S)}
    async with running(settings, schema_id, folder, plan.seed, "silver", "gold", **rotate) as rig:
        pace_s = STORM_SHARE * plan.minutes * 60 / plan.faults
        until_s = time.monotonic() + plan.minutes * 60
        storm = Storm(rig, console, plan.seed, plan.faults, pace_s, until_s, Progress())
        long = plan.minutes >= LONG_MINUTES
        try:
            left = await storm.run()
            report.failed += [f"scene {scene.name}: no time was left for it" for scene in left if long]
        except (Unavailable, AssertionError) as error:
            report.failed.append(f"the storm ended after {storm.done} faults: {error}")
        report.failed += storm.progress.failed
        if storm.done < plan.faults:
            report.failed.append(f"{storm.done} faults in {plan.minutes} minutes, {plan.faults} were wanted")
        await settle(report, rig)
        judge_memory(report, rig, long=long)
        await judge_faults(report, rig, storm.progress)


async def settle(report: Report, rig: Rig) -> None:
    """Wait in quiet until each id that is assigned by now is accounted for, stop the feeds, and count."""
    console.print("quiet: every id that is assigned by now must be accounted for")
    assigned = await rig.assigned()
    telling = asyncio.create_task(_tell(rig, assigned))
    await _awaited(report, lambda: _whole(rig, assigned), "every id published, quarantined or unfillable", SETTLE_S)
    telling.cancel()
    await rig.stop_feeds()
    if rig.agents.of("gold"):
        await _awaited(report, lambda: not rig.records.not_in_gold(), "every published id in gold", GOLD_S)
        report.more |= {"gold_missing": rig.records.not_in_gold(), "gold_repeated": rig.records.gold_repeated}
    report.lines = await lines(rig, assigned)
    report.more |= {
        "suppressed": int(sum(rig.suppressed.values())),
        "refused_downstream": sum(len(ranges) for ranges in rig.records.refused.values()),
        "events": {kind.value: rig.records.told(kind) for kind in EventKind if rig.records.told(kind)},
        **memory(rig),
    }


def _whole(rig: Rig, assigned: Ids) -> bool:
    """Whether everything is accounted for, and every gap is closed in the ledger."""
    accounts = (account for kept in rig.records.feeds.values() for account in kept.accounts.values())
    return not rig.records.missing(assigned) and not any(len(account.open) for account in accounts)


async def _tell(rig: Rig, assigned: Ids) -> None:
    """Say now and then what is still awaited."""
    while True:
        await asyncio.sleep(TELL_S)
        missing = rig.records.missing(assigned)
        shown = {name: ranges[:2] for name, ranges in islice(missing.items(), SHOWN)}
        console.print(f"awaited: ids of {len(missing)} symbols, {shown}" if missing else "awaited: gaps to be closed")


async def _awaited(report: Report, condition: Condition, what: str, within_s: float) -> None:
    try:
        await until(condition, what, within_s)
    except Unavailable as error:
        report.failed.append(str(error))


def memory(rig: Rig) -> dict[str, float]:
    """The memory of both feeds together, and of each, in its longest life."""
    trends = {agent.service: rig.memory.trend(agent.service) for agent in rig.feeds}
    return {
        "memory_start_mb": round(sum(start for start, _, _ in trends.values()), 1),
        "memory_end_mb": round(sum(end for _, end, _ in trends.values()), 1),
        **{f"{name}_start_mb": start for name, (start, _, _) in trends.items()},
        **{f"{name}_end_mb": end for name, (_, end, _) in trends.items()},
        **{f"{name}_life_minutes": round(minutes, 1) for name, (_, _, minutes) in trends.items()},
    }


def judge_memory(report: Report, rig: Rig, *, long: bool) -> None:
    """Fail a run whose feeds grow; a short one shows no growth, and is held to the limit alone."""
    for agent in rig.feeds:
        limit_mb = FeedSettings.load().feed_memory_limit_mb
        report.failed += rig.memory.broken(agent.service, limit_mb, judged=long)


async def judge_faults(report: Report, rig: Rig, progress: Progress) -> None:
    """Hold what was injected against what struck."""
    injected = progress.injected
    ends = Counter(ended.exit_code for agent in rig.feeds for ended in agent.ended)
    processes = {KILL: ends[-signal.SIGKILL], TERMINATE: ends[0] + ends[-signal.SIGTERM] - len(rig.feeds)}
    struck = Counter(await rig.struck()) + Counter(processes) + progress.struck
    rotations = rig.records.told(EventKind.ROTATED)
    report.faults = Counter(injected) + Counter({ROTATION: rotations})
    report.never_struck = [kind for kind in sorted(injected) if not struck[kind]] + [ROTATION] * (not rotations)
    unasked = {code: count for code, count in ends.items() if code not in _ASKED}
    report.more |= {"struck": dict(sorted(struck.items())), "feeds_ended_by_themselves": unasked}
    if injected.total() >= MANY_FAULTS and len(injected) < LEAST_KINDS:
        report.failed.append(f"{len(injected)} kinds of faults, at least {LEAST_KINDS} were wanted")


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make soak-feeds", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="of the faults (default 7)")
    parser.add_argument("--faults", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--minutes", type=float, default=45, help="over which they are spread (default 45)")
    parser.add_argument("--state", type=Path, default=Path(".k2/soak"), help="folder of the stack and of the logs")
    return parser.parse_args()


def reported(plan: argparse.Namespace, work: Work) -> int:
    """Do the work on a stack of its own and report; 1 where a promise was broken."""
    report, began = Report(plan.seed), time.monotonic()
    folder = folder_in(plan.state, console, "the agents and of the simulator")
    with terminable(), own_stack(plan.state / "stack", console) as (_, settings):
        asyncio.run(work(report, settings, folder, plan))
    report.more["minutes"] = round((time.monotonic() - began) / 60, 1)
    report.show(console)
    return int(not report.passed)


def main() -> int:
    """Run, report, and return 1 where a promise was broken or a kind of fault never struck."""
    return reported(parsed(), work)


if __name__ == "__main__":
    sys.exit(main())
