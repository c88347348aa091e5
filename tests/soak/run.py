"""Everything for as long as it takes at a rate of trades: nothing grows, no alert fires, all is well and equal.

Run it by ``make soak``. The system is that of ``make bench-resources``, in which feeds rotate their sockets every ten
minutes and the maintenance works once, half way; what a quiet hour lacks and wakes nobody is provoked. At the end
``k2 status`` must be ok, both tiers equal in the nine layers of ``k2 consistency``, once the hours that have closed are
offloaded, every question of every dashboard answered, and the rate held. People are told on stderr; the last line on
stdout is one JSON object.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from tests.bench.harness import report, table
from tests.bench.under_load import Watched, watched
from tests.bench.whole_system import MARKETS, READY_S, System, whole_system
from tests.dashboards.asking import Asking
from tests.dashboards.picture import draw_all
from tests.dashboards.pipeline import maintained_in, provoke
from tests.own_stack import folder_in
from tests.prometheus import Prometheus, watching
from tests.soak.findings import Consistency, Findings, Seen, Trend

from k2_grafana.__main__ import DASHBOARDS
from k2_local.child import terminable
from k2_local.settings import Catalog
from k2_shared.core.errors import ConfigError, K2Error
from k2_support.waiting import came_true

HOUR_MINUTES = 60.0
INTERVAL_S, ROTATE_AFTER_S, SNAPSHOT_AGE_S = 15, 600, 300
FLAGS = ("--duplicates", "0.01", "--invalid", "0.0002")  # fewer dead letters than an alert is about
STATUS_S, CONSISTENT_S, POLL_S = 60.0, 1_200.0, 20.0  # an hour is offloaded up to nine minutes after it closed
_COMMAND_S = 300
console = Console(stderr=True, soft_wrap=True, highlight=False)


class Asked:
    """What the command line says of a system; the last answer is kept."""

    def __init__(self, system: System, *, hour_closed: bool) -> None:
        self._system, self.hour_closed = system, hour_closed
        self.status, self.consistency = "not asked", Consistency(0, (), 0)

    def is_ok(self) -> bool:
        """Ask ``k2 status`` once."""
        self.status = self._k2("status", "--targets", str(self._system.folder))["verdict"]
        return self.status == "ok"

    def is_equal(self) -> bool:
        """Ask ``k2 consistency`` once."""
        self.consistency = Consistency.of(self._k2("consistency"))
        return self.consistency.is_equal(compared=self.hour_closed)

    def _k2(self, *words: str) -> Any:
        command = [sys.executable, "-m", "k2", *words, "--json"]
        told = {**os.environ, **self._system.settings}
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
        if not done.stdout:
            raise SystemExit(f"k2 {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)


async def soaked(plan: argparse.Namespace) -> tuple[Watched, Findings]:
    """Let the system work, and judge it at the end, still under load."""
    folder = folder_in(plan.state, console, "the agents")
    state, own = plan.state / "stack", _settings(plan)
    async with whole_system(plan.rate, state, folder, console, plan.catalog, own, FLAGS) as system:
        with ExitStack() as opened:
            await asyncio.sleep(plan.warm_up)
            prometheus, begin = _prometheus(system, opened), time.time()
            console.print(f"everything runs; watching {plan.minutes:g} minutes")
            seconds = 60 * plan.minutes
            found, _ = await asyncio.gather(watched(system, plan.rate, seconds), _disturbed(system, seconds))
            asked = Asked(system, hour_closed=plan.minutes >= HOUR_MINUTES)
            await came_true(lambda: asyncio.to_thread(asked.is_ok), STATUS_S, POLL_S)
            await came_true(lambda: asyncio.to_thread(asked.is_equal), CONSISTENT_S, POLL_S)
            saw = _seen(prometheus, begin, plan.pictures or folder / "pictures") if prometheus else None
    return found, _judged(found, saw, asked)


async def _disturbed(system: System, seconds: float) -> None:
    """Twice, as a rate needs: what is counted first with its first event has no value before it."""
    for _ in range(2):
        for sim in system.sims.values():
            await provoke(sim, MARKETS[0].symbol)
        await asyncio.sleep(seconds / 3)


def _settings(plan: argparse.Namespace) -> dict[str, str]:
    """What the agents are told beside where the servers are."""
    half_way = timedelta(minutes=plan.minutes / 2, seconds=READY_S + plan.warm_up)
    kept = {"SINK_SNAPSHOT_AGE_S": str(SNAPSHOT_AGE_S)}  # as many snapshots at the begin of the watch as at its end
    return {**maintained_in(half_way), **kept, "FEED_ROTATE_AFTER_S": str(ROTATE_AFTER_S)}


def _seen(prometheus: Prometheus, begin: float, pictures: Path) -> Seen:
    """Ask it everything at once, and draw what it says."""
    now, asking = time.time(), Asking(prometheus, begin, INTERVAL_S)
    draw_all(asking, now, pictures)
    return Seen(prometheus.fired(now - begin), asking.silent(DASHBOARDS, now))


def _judged(found: Watched, saw: Seen | None, asked: Asked) -> Findings:
    looks = [each.usages for each in found.samples[1:]]
    held = {name: [each[name].memory_mb for each in looks if name in each] for name in found.names}
    ended = [name for name, samples in held.items() if len(samples) < len(looks)]
    trends = {name: Trend.of(samples) for name, samples in held.items() if name not in ended}
    return Findings(trends, ended, saw, asked.status, asked.consistency, asked.hour_closed)


def _prometheus(system: System, opened: ExitStack) -> Prometheus | None:
    """A Prometheus over the agents until all that was opened is closed; None where there is none, which is told."""
    ports = {name: child.web_port for name, child in system.agents.items()}
    try:
        return opened.enter_context(watching(ports, system.folder / "prometheus", INTERVAL_S))
    except ConfigError as error:
        console.print(f"nothing is watched: {error}")
        return None


def shown(found: Watched, findings: Findings) -> list[Table]:
    """What was found, for people."""
    made = table(
        f"MB in the second and the last sixth of {found.seconds / 60:.0f} minutes", "process", "then", "now", "flat"
    )
    for name, trend in findings.trends.items():
        made.add_row(name, f"{trend.before_mb:,.0f}", f"{trend.after_mb:,.0f}", "yes" if trend.is_flat else "NO")
    return [made]


def numbers(found: Watched, findings: Findings) -> Mapping[str, object]:
    """What was found, for programs."""
    held = [] if found.is_held else [f"{found.held:.0f} of {found.offered:.0f} trades a second were held"]
    rates = {"offered": found.offered, "held": round(found.held, 1), "is_held": found.is_held}
    said = findings.numbers()
    return {"minutes": round(found.seconds / 60, 1), **rates, **said, "problems": [*said["problems"], *held]}


def main() -> int:
    """Run, report, and return 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--rate", type=float, default=1_000.0, help="trades a second (default 1000)")
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long (default 60)")
    parser.add_argument("--warm-up", type=float, default=600.0, help="seconds under load before that")
    parser.add_argument("--catalog", choices=get_args(Catalog), default="postgres", help="Iceberg catalog of the stack")
    parser.add_argument("--state", type=Path, default=Path(".k2/whole"), help="folder of the stack and of the logs")
    parser.add_argument("--pictures", type=Path, help="folder of the dashboards' pictures (default: that of the logs)")
    plan = parser.parse_args()
    try:
        with terminable():
            found, findings = asyncio.run(soaked(plan))
    except K2Error as error:
        raise SystemExit(f"{error}") from None
    said = numbers(found, findings)
    report(shown(found, findings), said)
    for line in said["problems"]:  # type: ignore[attr-defined]
        console.print(line, style="red")
    return int(bool(said["problems"]))


if __name__ == "__main__":
    sys.exit(main())
