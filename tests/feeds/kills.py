"""Rotations and kills -9 of both feeds under load: not one trade id is lost.

Run it by ``make test-feed-kills``. People are told on stderr; the last line on stdout is one JSON object.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from tests.faults.supervisor import until
from tests.feeds.accounts import through_gold
from tests.feeds.soak import ROTATION, console, reported, settle
from tests.feeds.soak_report import Report
from tests.feeds.soak_rig import Rig, running
from tests.feeds.soak_storm import KILL

from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind
from k2_support.topics import create_lasting

ROTATE_AFTER_S = 6
LIFE_S = 3.0  # at most, after a rotation, or after the start where none is awaited
UNAWAITED = 0.2  # of the kills come whatever the sockets do
BUDGET_S = 700.0  # the venue's window of connection attempts, in which a process may have to wait for its turn


class Kills:
    """Kills both feeds again and again until there were enough kills and rotations."""

    def __init__(self, rig: Rig, plan: argparse.Namespace) -> None:
        self._rig, self._plan = rig, plan
        self._until = time.monotonic() + float(plan.minutes) * 60
        self.kills = 0

    @property
    def rotations(self) -> int:
        """Rotations of both venues so far, as the feeds told them."""
        return self._rig.records.told(EventKind.ROTATED)

    @property
    def enough(self) -> bool:
        """Whether there were enough, or time is up."""
        done = self.kills >= int(self._plan.kills) and self.rotations >= int(self._plan.rotations)
        return done or time.monotonic() > self._until

    async def run(self) -> None:
        """Let both feeds live and die, beside each other."""
        await asyncio.gather(*(self._lives(venue) for venue in self._rig.sims))

    async def _lives(self, venue: Exchange) -> None:
        rng, feed = random.Random(f"{self._plan.seed}/{venue}"), self._rig.feed(venue)
        while not self.enough:
            if rng.random() >= UNAWAITED:
                await self._rotated(venue)
            await asyncio.sleep(rng.uniform(0.0, LIFE_S))
            if self.kills < self._plan.kills:
                ended = len(feed.ended)
                await self._rig.strike_process(venue, signal.SIGKILL)
                await until(lambda ended=ended: len(feed.ended) > ended, f"the end of {feed.name}")  # type: ignore[misc]
                self.kills += 1
                console.print(f"{self.kills:4} kills, {self.rotations:4} rotations: {venue} was killed")

    async def _rotated(self, venue: Exchange) -> None:
        """Wait for the next rotation of a venue's sockets, if any is still wanted."""
        records, before = self._rig.records, self._rig.records.told(EventKind.ROTATED, venue)
        await until(
            lambda: self.enough or records.told(EventKind.ROTATED, venue) > before, f"a rotation of {venue}", BUDGET_S
        )


async def work(report: Report, settings: RunSettings, folder: Path, plan: argparse.Namespace) -> None:
    """Kill, then verify."""
    schema_id = next(iter((await create_lasting(settings)).values()))
    rotate = {"FEED_ROTATE_AFTER_S": str(ROTATE_AFTER_S)}
    async with running(settings, schema_id, folder, plan.seed, **rotate) as rig:
        kills = Kills(rig, plan)
        try:
            await kills.run()
        except Unavailable as error:
            report.failed.append(str(error))
        report.faults = Counter({KILL: kills.kills, ROTATION: kills.rotations})
        if kills.kills < plan.kills or kills.rotations < plan.rotations:
            report.failed.append(f"{plan.kills} kills and {plan.rotations} rotations were wanted")
        await settle(report, rig)
        report.more |= {"kills": kills.kills, "rotations": kills.rotations, **await gold(rig)}


async def gold(rig: Rig) -> dict[str, int]:
    """What silver's and gold's code makes of bronze."""
    found = [trade for venue in rig.sims for trade in await through_gold(rig.settings, rig.names, venue)]
    published = sum(len(of.published) for kept in rig.records.feeds.values() for of in kept.accounts.values())
    return {"gold_repeated": len(found) - len(set(found)), "gold_missing": published - len(set(found))}


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make test-feed-kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of processes, both feeds together (default 100)")
    parser.add_argument("--rotations", type=int, default=100, help="of sockets, both feeds together (default 100)")
    parser.add_argument("--seed", type=int, default=3, help="of the moments (default 3)")
    parser.add_argument("--minutes", type=float, default=40, help="stop killing after so long (default 40)")
    parser.add_argument("--state", type=Path, default=Path(".k2/soak"), help="folder of the stack and of the logs")
    return parser.parse_args()


def main() -> int:
    """Run, report, and return 1 where an id was lost or there were too few."""
    return reported(parsed(), work)


if __name__ == "__main__":
    sys.exit(main())
