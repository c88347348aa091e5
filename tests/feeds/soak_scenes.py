"""What a long run plays beside its storm: failures that take minutes, or strike everything at once."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console
from tests.faults.apis import PRODUCE
from tests.faults.supervisor import until
from tests.feeds import soak_market
from tests.feeds.soak_market import LIVELY, Market
from tests.feeds.soak_rig import Rig
from tests.feeds.soak_storm import RESET

from k2_shared.core.errors import Unavailable
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind

OUTAGE, HALTED, DROP, BURST = "rest_outage", "halted", "drop_ids", "burst"
AWAY, SLOW = "kafka_away", "kafka_slow"
SCENE_S = 360.0  # Kraken answers once a second, and a hundred symbols may be in line
OUTAGE_S = 150.0  # longer than the feeds' patience with an id that REST does not have
HALTED_S = 3_600.0  # until the scene ends it
AWAY_S = SLOW_S = 60.0
SLOW_DELAY_S = 1.0
GAPS = 5_000
_VENUES: tuple[Exchange, ...] = ("KRAKEN", "BINANCE")
_NO_TIME_S = 0.001


@dataclass
class Progress:
    """What was injected so far and has struck beyond what a simulator counts, and which venue is hindered."""

    injected: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    reserved: set[Exchange] = field(default_factory=set)  # for a scene: no fault of the storm strikes them
    _until: dict[Exchange, float] = field(default_factory=dict)

    def hinder(self, venue: Exchange, seconds: float) -> None:
        """Something hinders a venue's trades or its REST for so long."""
        now = time.monotonic()
        self._until[venue] = max(self._until.get(venue, now), now + seconds)

    def hindered_s(self, *venues: Exchange) -> float:
        """For how long one of these venues is hindered yet."""
        return max(0.0, *(self._until.get(venue, 0.0) - time.monotonic() for venue in venues))


@dataclass(frozen=True)
class Scene:
    """One of them, by name."""

    name: str
    play: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Scenes:
    """Every scene upon a rig, in the order in which they are played, one at a time."""

    rig: Rig
    progress: Progress
    console: Console

    def all(self) -> list[Scene]:
        """Resets between the others, so that neither kind comes late."""
        resets = [
            Scene(f"{RESET} of {market.venue}:{market.symbol}", lambda market=market: self._reset(market))  # type: ignore[misc]
            for market in LIVELY
            if market.resets
        ]
        kinds = {OUTAGE: self._outage, HALTED: self._halted, f"{GAPS:,} gaps": self._gaps}
        of_venues = [
            Scene(f"{name} of {venue}", lambda play=play, venue=venue: play(venue))  # type: ignore[misc]
            for name, play in kinds.items()
            for venue in _VENUES
        ]
        kafka = [Scene(AWAY, self._away), Scene(SLOW, self._slow)]
        return [*of_venues[:4], *resets[:2], *kafka, *of_venues[4:], *resets[2:]]

    async def play(self, scene: Scene) -> None:
        """Play one to its end; what goes otherwise than it must fails the run."""
        self.console.print(f"scene: {scene.name}")
        try:
            await scene.play()
        except (Unavailable, AssertionError) as error:
            self.progress.failed.append(f"{scene.name}: {error}")
            self.console.print(self.progress.failed[-1], style="red")
        else:
            self.console.print(f"scene: {scene.name} is over")

    async def _inject(self, venue: Exchange, kind: str, **said: object) -> None:
        await self.rig.sims[venue].fault(kind, **said)
        self.progress.injected[kind] += 1

    async def _told(self, kind: EventKind, venue: Exchange, symbol: str, before: int) -> None:
        """Wait until a feed has told something of a symbol once more than before."""
        told = self.rig.records.told
        await until(lambda: told(kind, venue, symbol) > before, f"{kind.value} of {venue}:{symbol}", SCENE_S)

    async def _outage(self, venue: Exchange) -> None:
        """REST is away for minutes while ids are missing: none is given up, for no answer could have shown it."""
        await self._inject(venue, OUTAGE, seconds=OUTAGE_S)
        self.progress.hinder(venue, OUTAGE_S)
        for symbol in soak_market.lively(venue):
            await self._inject(venue, DROP, symbol=symbol, count=50, value="all")
        await asyncio.sleep(OUTAGE_S)

    async def _halted(self, venue: Exchange) -> None:
        """A feed starts while a symbol is not to be had: it rests until that is over, and goes on where it stood."""
        symbol, how = soak_market.lively(venue)[-1], "missing" if venue == "KRAKEN" else "status"
        told = self.rig.records.told
        rejected, subscribed = (told(kind, venue, symbol) for kind in (EventKind.REJECTED, EventKind.SUBSCRIBED))
        await self._inject(venue, HALTED, symbol=symbol, seconds=HALTED_S, value=how)
        try:
            await self.rig.strike_process(venue, signal.SIGKILL)
            await self._told(EventKind.REJECTED, venue, symbol, rejected)
        finally:
            await self.rig.sims[venue].fault(HALTED, symbol=symbol, seconds=_NO_TIME_S, value=how)
        await self._told(EventKind.SUBSCRIBED, venue, symbol, subscribed)

    async def _gaps(self, venue: Exchange) -> None:
        """Every second of many trades at once is missing, each a gap of its own."""
        symbol = soak_market.lively(venue)[0]
        await self._inject(venue, DROP, symbol=symbol, count=GAPS, value="alternate")
        await self._inject(venue, BURST, symbol=symbol, count=2 * GAPS)

    async def _away(self) -> None:
        """The feeds cannot reach Kafka, and say so."""
        self.progress.injected[AWAY] += 1
        for venue in _VENUES:
            self.progress.hinder(venue, AWAY_S)
        with self.rig.kafka.cut():
            ends = asyncio.create_task(asyncio.sleep(AWAY_S))
            await until(self._misses_kafka, "a feed that says that it misses Kafka", AWAY_S)
            self.progress.struck[AWAY] += 1
            await ends

    async def _misses_kafka(self) -> bool:
        for agent in self.rig.feeds:
            with suppress(Unavailable):  # it may start just now
                missing = await asyncio.to_thread(agent.child.missing) if agent.child else []
                if any(each.startswith("kafka: ") for each in missing):
                    return True
        return False

    async def _slow(self) -> None:
        """Kafka acknowledges late."""
        self.progress.injected[SLOW] += 1
        slow = self.rig.kafka.inject(PRODUCE, "delay", times=1_000_000, delay_s=SLOW_DELAY_S)
        await asyncio.sleep(SLOW_S)
        self.rig.kafka.clear()
        self.progress.struck[SLOW] += slow.felt

    async def _reset(self, market: Market) -> None:
        """Ids start anew on a symbol of which everything is accounted for, and an operator accepts that."""
        self.progress.reserved.add(market.venue)
        try:
            await asyncio.sleep(self.progress.hindered_s(market.venue))
            await self.rig.feed(market.venue).ready()
            await self._settled(market)
            await self._accepted(market)
        finally:
            self.progress.reserved.discard(market.venue)

    async def _accepted(self, market: Market) -> None:
        venue, symbol, told = market.venue, market.symbol, self.rig.records.told
        reset, resumed = told(EventKind.RESET, venue, symbol), told(EventKind.RESUMED, venue, symbol)
        await self._inject(venue, RESET, symbol=symbol)
        await self._told(EventKind.RESET, venue, symbol, reset)
        await self.rig.accept(venue, symbol)
        await self._told(EventKind.RESUMED, venue, symbol, resumed)

    async def _settled(self, market: Market) -> None:
        """Everything that the symbol's venue has assigned so far is accounted for, and no gap is open."""
        assigned = {market.venue: {market.symbol: await self.rig.sims[market.venue].assigned(market.symbol)}}
        accounts = self.rig.records.feeds[market.venue].accounts

        def settled() -> bool:
            return not self.rig.records.missing(assigned) and not len(accounts[market.symbol].open)

        await until(settled, f"every id of {market.symbol}", SCENE_S)
