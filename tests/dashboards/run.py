"""Every question of every panel has an answer while the whole pipeline works, and each dashboard is drawn.

Run it by ``make test-dashboards``. A real Prometheus scrapes every service; what a quiet day lacks is provoked.
Exits 1 where a panel stays empty, and names it. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.contract.alerts.tools import PROMETHEUS
from tests.dashboards.asking import Asking
from tests.dashboards.picture import draw_all
from tests.dashboards.pipeline import Pipeline, running
from tests.own_stack import folder_in, own_stack
from tests.prometheus import watching
from tests.rounds import CONSOLE

from k2_grafana.__main__ import DASHBOARDS
from k2_local import Stack
from k2_local.child import terminable
from k2_support.waiting import came_true

_INTERVAL_S = 5
_PATIENCE_S = 900.0
_POLL_S = 10.0


@dataclass
class Watch:
    """Asks until all is answered, and for at least so many seconds, so that lines have a length."""

    asking: Asking
    pipeline: Pipeline
    least_s: float
    silent: Sequence[str] = ()
    zeros: Sequence[str] = ()
    provoked: int = 0

    async def is_over(self) -> bool:
        """Whether nothing is silent any more; provokes at the beginning and again half way."""
        self.pipeline.check()
        passed = time.time() - self.asking.begin
        if passed >= self.provoked * self.least_s / 2 and self.provoked < 2:
            self.provoked += 1
            await self.pipeline.provoke()
        self.silent = await asyncio.to_thread(self.asking.silent, DASHBOARDS, time.time())
        CONSOLE.print(f"{passed:.0f} s: {len(self.silent)} questions have no answer")
        return not self.silent and passed >= self.least_s


async def _watched(stack: Stack, folder: Path, plan: argparse.Namespace) -> Watch:
    """Watch, and draw the pictures, whatever stays without an answer."""
    async with running(stack, folder) as pipeline:
        with watching(pipeline.ports, folder / "prometheus", _INTERVAL_S) as server:
            watch = Watch(Asking(server, time.time(), _INTERVAL_S), pipeline, plan.seconds)
            await came_true(watch.is_over, _PATIENCE_S, _POLL_S)
            now = time.time()
            draw_all(watch.asking, now, plan.pictures)
            watch.zeros = watch.asking.zeros(DASHBOARDS, now)
            return watch


def main() -> int:
    """Run it; 1 where a question has no answer."""
    taken = argparse.ArgumentParser(prog="make test-dashboards", description=__doc__)
    taken.add_argument("--seconds", type=float, default=300.0, help="for how long to watch at least (default 300)")
    taken.add_argument("--state", type=Path, default=Path(".k2/dashboards"), help="folder of stack and logs")
    taken.add_argument("--pictures", type=Path, help="folder of the pictures (default: that of the logs)")
    plan = taken.parse_args()
    PROMETHEUS.fetch()
    with terminable():
        folder = folder_in(plan.state, CONSOLE, "the dashboards")
        plan.pictures = plan.pictures or folder / "pictures"
        with own_stack(plan.state / "stack", CONSOLE) as (stack, _):
            watch = asyncio.run(_watched(stack, folder, plan))
    for line in watch.zeros:
        CONSOLE.print(f"nothing of this happened, and 0 is the answer: {line}")
    for line in watch.silent:
        CONSOLE.print(f"no answer: {line}", style="red")
    questions = sum(len(panel.series) for dashboard in DASHBOARDS for panel in dashboard.panels)
    said = {"questions": questions, "silent": list(watch.silent), "zeros": len(watch.zeros)}
    sys.stdout.write(json.dumps({**said, "pictures": str(plan.pictures)}) + "\n")
    return int(bool(watch.silent))


if __name__ == "__main__":
    sys.exit(main())
