"""Playback of one venue: the plan against a monotonic clock, waiting while the feed is away."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from exchange_sim.delivery import Delivery
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Venue
from exchange_sim.plan import Planned
from exchange_sim.subscriptions import Frame

YIELD_EVERY = 64  # frames sent before other tasks get their turn


class Pace:
    """A clock of playback time that runs ``speed`` times as fast and stands still while it is held."""

    def __init__(self, speed: float, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._speed = speed
        self._clock = clock
        self._origin = clock()
        self._held_at: int | None = None

    def restart(self) -> None:
        """Begin at 0."""
        self._origin = self._clock()

    def hold(self) -> None:
        """Stand still."""
        self._held_at = self._clock()

    def go_on(self) -> None:
        """Run on from where it was held."""
        if self._held_at is not None:
            self._origin += self._clock() - self._held_at
            self._held_at = None

    def elapsed_ns(self) -> int:
        """Time since the start without the time held."""
        return self._clock() - self._origin

    def position_ns(self) -> float:
        """Playback time."""
        return self.elapsed_ns() * self._speed

    def until_s(self, at_ns: int) -> float:
        """Seconds to wait until playback time is ``at_ns``."""
        return (at_ns - self.position_ns()) / self._speed / 1e9


class Player:
    """Plays one venue, lap after lap when ``live``."""

    def __init__(
        self,
        venue: Venue,
        replays: Mapping[str, MarketReplay],
        plan_lap: Callable[[int], Sequence[Planned]],
        delivery: Delivery,
        *,
        speed: float,
        live: bool,
    ) -> None:
        self.venue = venue
        self.replays = replays
        self.frames_played = 0
        self.finished = False
        self._delivery = delivery
        self._live = live
        self._plan_lap = plan_lap
        self._pace = Pace(speed)
        self._lap = 0
        self._plan = plan_lap(0)
        # frames of a recording are made in advance; live ones carry the time and are made when due
        self._made = [] if live else [self._make(planned) for planned in self._plan]

    @property
    def frames_total(self) -> int | None:
        """Frames in the whole playback; None when it has no end."""
        return None if self._live else len(self._plan)

    async def run(self, on_finish: Callable[[], None]) -> None:
        """Play to the end; ``on_finish`` is called before ``finished`` becomes true."""
        await self._delivery.started()
        for lap in self._laps():
            await self._play(lap)
        on_finish()
        self.finished = True

    def _laps(self) -> Iterator[int]:
        yield 0
        while self._live:
            self._lap += 1
            self._plan = self._plan_lap(self._lap)
            yield self._lap

    async def _play(self, lap: int) -> None:
        await asyncio.sleep(0)  # laps that are due at once must not keep other tasks from running
        self._pace.restart()
        self._anchor()
        position = 0
        while position < len(self._plan):
            await self._feed()
            await self._until(self._plan[position].at_ns)
            position = await self._send_due(position)

    async def _feed(self) -> None:
        """Wait until trades can happen; the time until then does not count."""
        if self._delivery.open:
            return
        self._pace.hold()
        await self._delivery.opened()
        self._pace.go_on()
        self._anchor()

    def _anchor(self) -> None:
        origin_ns = time.time_ns() - self._pace.elapsed_ns()
        for replay in self.replays.values():
            replay.anchor(self._lap, origin_ns)

    async def _until(self, at_ns: int) -> None:
        wait_s = self._pace.until_s(at_ns)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _send_due(self, position: int) -> int:
        """Send every frame that is due; ends early when the feed leaves. Returns the next position."""
        now_ns = self._pace.position_ns()
        while position < len(self._plan) and self._plan[position].at_ns <= now_ns and self._delivery.open:
            if not await self._send(self._plan[position], position):
                break
            position += 1
            if position % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return position

    async def _send(self, planned: Planned, position: int) -> bool:
        """Deliver one planned frame; False when nobody took it and it is to be sent again."""
        replay = self.replays[planned.symbol]
        numbers = replay.numbers(self._lap, planned.indexes)
        if planned.kind == "original":
            replay.expose(numbers.stop)
        made = None if replay.altered else self._made[position]
        played = await self._delivery.carry(replay, planned.kind, numbers, planned.broken, made)
        self.frames_played += played
        return played

    def _make(self, planned: Planned) -> Frame:
        replay = self.replays[planned.symbol]
        return self._delivery.frame(replay, planned.kind, planned.indexes, planned.broken)
