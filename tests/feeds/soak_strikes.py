"""The storm upon a rig: each fault in its turn, and between them the scenes, one at a time."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from tests.feeds.soak_rig import Rig
from tests.feeds.soak_scenes import Progress, Scene, Scenes
from tests.feeds.soak_storm import KILL, TERMINATE, Strike, storm

PROCESS_SHARE = 0.6  # of the faults; after them a process lives long enough for its memory to be judged
_SIGNALS = {KILL: signal.SIGKILL, TERMINATE: signal.SIGTERM}


@dataclass
class Storm:
    """Strikes a rig with so many faults, ``pace_s`` apart; scenes that are not reached by then are left out."""

    rig: Rig
    console: Console
    seed: int
    faults: int
    pace_s: float
    until_s: float  # of the monotonic clock
    progress: Progress
    done: int = 0

    async def run(self) -> list[Scene]:
        """Strike until there were enough or time is up, and a scene that has begun is over; those left out."""
        scenes = Scenes(self.rig, self.progress, self.console)
        left = deque(scenes.all())
        due = deque(self.faults * number // (len(left) + 1) for number in range(1, len(left) + 1))
        playing = asyncio.create_task(asyncio.sleep(0))
        cards = self._cards()
        while self.done < self.faults and time.monotonic() < self.until_s:
            if left and due[0] <= self.done and playing.done():
                due.popleft()
                playing = asyncio.create_task(scenes.play(left.popleft()))
                await asyncio.sleep(0)  # it reserves its venue
            strike = next(cards)
            await self._strike(strike)
            if not strike.followed:
                await asyncio.sleep(self.pace_s)
        await playing
        await asyncio.sleep(self.progress.hindered_s(*self.rig.sims))
        return list(left)

    def _cards(self) -> Iterator[Strike]:
        """The storm's faults in its order, those on a venue that is reserved later."""
        held, reserved = deque[Strike](), self.progress.reserved
        for strike in storm(self.seed):
            while ready := next((each for each in held if each.venue not in reserved), None):
                held.remove(ready)
                yield ready
            if strike.on_process and self.done > self.faults * PROCESS_SHARE:
                continue
            if strike.venue in reserved:
                held.append(strike)
            else:
                yield strike

    async def _strike(self, strike: Strike) -> None:
        if strike.on_process:
            await self.rig.strike_process(strike.venue, _SIGNALS[strike.kind])
        else:
            await self.rig.sims[strike.venue].fault(strike.kind, **strike.said)
        self.progress.hinder(strike.venue, strike.lasts_s)
        self.progress.injected[strike.kind] += 1
        self.done += 1
        self.console.print(f"{self.done:4} {strike.venue} {strike.kind} {dict(strike.said)}")
