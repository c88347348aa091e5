"""The storm upon a rig: each fault in its turn, and between them ids that start anew until an operator accepts."""

import asyncio
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from tests.faults.slots import until
from tests.feeds.soak_market import MARKETS, Market
from tests.feeds.soak_rig import Rig
from tests.feeds.soak_storm import KILL, RESET, TERMINATE, Strike, storm

from k2_shared.errors import Unavailable
from k2_shared.feed.ledger import EventKind
from k2_shared.trade import Exchange

PROCESS_SHARE = 0.6  # of the faults; after them a process lives long enough for its memory to be judged
SCENE_S = 240.0
_SIGNALS = {KILL: signal.SIGKILL, TERMINATE: signal.SIGTERM}


@dataclass
class Storm:
    """Strikes a rig with so many faults, ``pace_s`` apart."""

    rig: Rig
    console: Console
    seed: int
    faults: int
    pace_s: float
    until_s: float  # of the monotonic clock
    injected: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _busy: dict[Exchange, float] = field(default_factory=dict)  # until when something hinders a venue
    _reserved: set[Exchange] = field(default_factory=set)

    @property
    def done(self) -> int:
        """Faults injected so far."""
        return self.injected.total()

    async def run(self) -> None:
        """Strike until there were enough or time is up; scenes that have begun are played to their end."""
        scenes, playing = deque(self._scenes()), list[asyncio.Task[None]]()
        cards = self._cards()
        while self.done < self.faults and time.monotonic() < self.until_s:
            if scenes and scenes[0][0] <= self.done and not self._reserved:
                playing.append(asyncio.create_task(self._scene(scenes.popleft()[1])))
                await asyncio.sleep(0)  # it reserves its venue
            strike = next(cards)
            await self._strike(strike)
            if not strike.followed:
                await asyncio.sleep(self.pace_s)
        await asyncio.gather(*playing)
        await asyncio.sleep(max(0.0, max(self._busy.values(), default=0.0) - time.monotonic()))

    def _scenes(self) -> Iterator[tuple[int, Market]]:
        """From which fault on each symbol is reset whose turn it is."""
        markets = [market for market in MARKETS if market.resets]
        for number, market in enumerate(markets, 1):
            yield self.faults * number // (len(markets) + 1), market

    def _cards(self) -> Iterator[Strike]:
        """The storm's faults in its order, those on a venue that is reserved later."""
        held = deque[Strike]()
        for strike in storm(self.seed):
            while ready := next((each for each in held if each.venue not in self._reserved), None):
                held.remove(ready)
                yield ready
            if strike.on_process and self.done > self.faults * PROCESS_SHARE:
                continue
            if strike.venue in self._reserved:
                held.append(strike)
            else:
                yield strike

    async def _strike(self, strike: Strike) -> None:
        if strike.on_process:
            await self.rig.strike_process(strike.venue, _SIGNALS[strike.kind])
        else:
            await self.rig.sims[strike.venue].fault(strike.kind, **strike.said)
        now = time.monotonic()
        self._busy[strike.venue] = max(self._busy.get(strike.venue, now), now + strike.lasts_s)
        self.injected[strike.kind] += 1
        self.console.print(f"{self.done:4} {strike.venue} {strike.kind} {dict(strike.said)}")

    async def _scene(self, market: Market) -> None:
        """Ids start anew on a symbol of which everything is accounted for, and an operator accepts that."""
        self._reserved.add(market.venue)
        try:
            await self._reset(market)
        except (Unavailable, AssertionError) as error:
            self.failed.append(f"id_reset of {market.venue}:{market.symbol}: {error}")
            self.console.print(self.failed[-1], style="red")
        finally:
            self._reserved.discard(market.venue)

    async def _reset(self, market: Market) -> None:
        venue, symbol, rig = market.venue, market.symbol, self.rig
        await asyncio.sleep(max(0.0, self._busy.get(venue, 0.0) - time.monotonic()))
        await rig.feed(venue).ready()
        await self._settled(market)
        await rig.sims[venue].fault(RESET, symbol=symbol)
        self.injected[RESET] += 1
        await until(lambda: rig.records.told(EventKind.RESET, venue, symbol), f"the reset of {symbol}", SCENE_S)
        await rig.accept(venue, symbol)
        await until(lambda: rig.records.told(EventKind.RESUMED, venue, symbol), f"going on with {symbol}", SCENE_S)
        self.console.print(f"{self.done:4} {venue} {RESET} {symbol}: accepted")

    async def _settled(self, market: Market) -> None:
        """Everything that the symbol's venue has assigned so far is accounted for, and no gap is open."""
        assigned = {market.venue: {market.symbol: await self.rig.sims[market.venue].assigned(market.symbol)}}
        accounts = self.rig.records.feeds[market.venue].accounts

        def settled() -> bool:
            return not self.rig.records.missing(assigned) and not len(accounts[market.symbol].open)

        await until(settled, f"every id of {market.symbol}", SCENE_S)
