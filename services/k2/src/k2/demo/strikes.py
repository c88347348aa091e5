"""The faults of a demo as they happen: ids that the venues drop, and ``kill -9`` of gold while it runs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from k2.demo import oracle
from k2.demo.agents import Fleet, Simulator
from k2.demo.faults import DropOutcome, DroppedIds, Faults, GoldKill, outcome
from k2.demo.observer import Observer
from k2_shared.core.errors import Unavailable
from k2_support.waiting import came_true

_KILL_AT = 0.4  # of the frames played
_POLL_S = 0.1
_BACK_S = 60.0


@dataclass
class Strikes:
    """Makes a run's faults and follows what becomes of them; ``trades`` is what gold holds in the end.

    ``say`` is told of each step when it happens. Nothing is struck in a calm run. ``failed`` once one cannot end well.
    """

    simulator: Simulator
    fleet: Fleet
    observer: Observer
    drops: Sequence[DroppedIds]
    trades: int
    say: Callable[[str], None]
    calm: bool
    failed: bool = False
    _kill: GoldKill = field(default_factory=GoldKill)
    _told: set[str] = field(default_factory=set)

    def arm(self) -> None:
        """Tell the simulator which ids to drop; before it plays, so that it depends on no moment.

        Raises:
            Unavailable: it refused, or did not answer.
        """
        for dropped in self.drops:
            self.simulator.drop(dropped)

    @property
    def faults(self) -> Faults:
        """Every fault, and what became of it so far."""
        if self.calm:
            return Faults()
        struck, ledger = oracle.struck(self.simulator.log), list(self.observer.ledger)
        return Faults([outcome(dropped, struck, ledger) for dropped in self.drops], self._kill)

    async def run(self) -> None:
        """Kill gold, and tell of what happens, until all has ended well; else until it is cancelled."""
        if not self.calm:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kill_gold())
                group.create_task(self._follow_gaps())

    async def _follow_gaps(self) -> None:
        while len(self._told) < 2 * len(self.drops):
            drops = (await asyncio.to_thread(lambda: self.faults)).drops
            for drop in drops:
                self._tell_of(drop)
            if any(drop.failed(time.time()) for drop in drops):
                self.failed = True
                return
            await asyncio.sleep(_POLL_S)

    def _tell_of(self, drop: DropOutcome) -> None:
        if drop.recorded_after_s is not None:
            self._tell_once(f"{drop.dropped}: gap recorded after {drop.recorded_after_s} s")
        if drop.filled_after_s is not None:
            self._tell_once(f"{drop.dropped}: filled by REST after {drop.filled_after_s} s")

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.say(line)

    async def _kill_gold(self) -> None:
        while not await asyncio.to_thread(self._is_in_the_middle):  # noqa: ASYNC110  # no event of ours
            await asyncio.sleep(_POLL_S)
        self._kill.at_record, began = self._written, time.monotonic()
        pid = await asyncio.to_thread(self.fleet.kill, "gold")
        self.say(f"kill -9 {pid}: gold dies at record {self._kill.at_record:,}, and is started again")
        try:
            await self._return()
            self._kill.back_after_s = round(time.monotonic() - began, 1)
            self.say(f"gold is back after {self._kill.back_after_s} s, and has written on")
        except Unavailable as ended:
            self._kill.ended, self.failed = str(ended), True

    async def _return(self) -> None:
        """Wait until gold works on all its partitions, and then until it wrote a record, or had none left to write.

        Raises:
            Unavailable: it ended again, or took too long.
        """
        ready = await came_true(lambda: asyncio.to_thread(lambda: not self.fleet.lacks("gold")), _BACK_S, _POLL_S)
        before = self._written
        if not ready or not await came_true(lambda: before < self._written or self._all_written, _BACK_S, _POLL_S):
            raise Unavailable(f"{'it writes nothing' if ready else 'it is not ready'} after {_BACK_S:.0f} s")

    @property
    def _written(self) -> int:
        return self.observer.stages["gold"].records

    @property
    def _all_written(self) -> bool:
        return self._written >= self.trades

    def _is_in_the_middle(self) -> bool:
        return self._written > 0 and self.simulator.played >= _KILL_AT
