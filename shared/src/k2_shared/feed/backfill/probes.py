"""Asks the venue by REST about symbols that the sockets bring nothing of: are they quiet, or are we deaf?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from k2_shared.core.errors import Unavailable
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.feed_records import Cause, EventKind
from k2_shared.feed.coverage.silent import SilentSymbols
from k2_shared.feed.coverage.staleness import Staleness
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.transport.connector import Connector

_EVERY_S = 1.0
_FIRST_IDS = 1_000  # a page of REST: how far back a symbol that no socket has begun may begin


@dataclass
class Probes:
    """Asks about one symbol after another, each seldom; what the venue has and the sockets have not is missing.

    ``grace_s`` is how long a trade that REST shows may still be on its way through a socket, ``clock_skew_s`` how far
    the venue's clock may be from ours.
    """

    tracker: SymbolTracker
    connector: Connector
    history: RestHistory
    events: EventLog
    silent: SilentSymbols
    staleness: Staleness
    grace_s: float
    clock_skew_s: float
    _first_asked: set[str] = field(default_factory=set)  # confirmed symbols without a trade that were asked about

    async def run(self) -> None:
        """Ask for ever, about every symbol at once to begin with; an answer that fails is asked for again."""
        self.staleness.at_once(self.connector.names)
        while True:
            await asyncio.sleep(_EVERY_S)
            for symbol in self._due():
                if await self._is_stale(symbol):
                    self.silent.note(symbol)

    def _due(self) -> list[str]:
        """Symbols that have been quiet for long, and at once those that were just confirmed without a trade."""
        symbols = self.tracker.symbols
        new = {symbol for symbol in self.connector.confirmed & symbols.keys() if not symbols[symbol].coverage.begun}
        self._first_asked &= new
        highs = {symbol: tracked.coverage.high for symbol, tracked in symbols.items()}
        return sorted({*self.staleness.look(highs), *(new - self._first_asked)})

    async def _is_stale(self, symbol: str) -> bool:
        """Whether the venue has newer trades than the sockets brought; they are missing from now on."""
        if symbol not in self.tracker.symbols or not self.connector.confirmed >= {symbol}:
            return False
        try:
            newest = (await self.history.newest(symbol)).trades
        except Unavailable:
            return False
        self.staleness.quiet(symbol)
        await asyncio.sleep(self.grace_s)  # it may be on its way through a socket
        tracked = self.tracker.symbols.get(symbol)
        if tracked is None:
            return False
        if not tracked.coverage.begun:
            await self._begin(symbol, tracked.coverage, newest)
        return bool(newest) and tracked.coverage.begun and self._reach(symbol, tracked.coverage, newest[-1].trade_id)

    async def _begin(self, symbol: str, coverage: Coverage, newest: Sequence[Trade]) -> None:
        """Begin a symbol that no socket has begun, with the first trade since the feed became responsible for it."""
        is_first = symbol not in self._first_asked
        self._first_asked.add(symbol)
        if not newest:
            return
        newest_id, skew_us = newest[-1].trade_id, int(self.clock_skew_s * 1e6)
        if is_first and newest[-1].timestamp <= coverage.began_at + skew_us:
            coverage.begin(newest_id + 1)
            return
        first = await self._first_since(symbol, newest_id, coverage.began_at - skew_us)
        if first and not coverage.begun:
            coverage.begin(first)
            if is_first:  # traded before a socket was there: nothing is wrong with those that are
                coverage.expect(Cause.RESTART)

    async def _first_since(self, symbol: str, newest_id: int, since_us: int) -> int:
        """The first trade from a time on, of a page at most; 0 where REST does not say."""
        try:
            page, _ = await self.history.since(symbol, max(1, newest_id - _FIRST_IDS + 1), since_us)
        except Unavailable:
            return 0
        return next((trade.trade_id for trade in page.trades if trade.timestamp >= since_us), newest_id)

    def _reach(self, symbol: str, coverage: Coverage, newest_id: int) -> bool:
        high, awaiting = coverage.high, coverage.awaiting
        if not high < newest_id <= high + coverage.limits.jump_ids:
            return False
        coverage.reach(newest_id)
        if awaiting:  # it traded while we were away: nothing is wrong with the sockets
            return False
        self.events.tell(EventKind.STALE, f"the newest is {newest_id}, the sockets brought {high}", symbol)
        for connection in list(self.connector.connections):
            connection.give_up(f"stale: {symbol}")
        return True


async def quiet(tracker: SymbolTracker, history: RestHistory, symbols: set[str]) -> set[str]:
    """Those symbols of which REST shows nothing newer than was captured; one without any trade so far misses none.

    Where REST does not answer, those that were found before.
    """
    wanted = symbols & tracker.symbols.keys()
    found = {symbol for symbol in wanted if not tracker.symbols[symbol].coverage.begun}
    for symbol in sorted(wanted - found):
        try:
            newest = (await history.newest(symbol)).trades
        except Unavailable:
            return found
        tracked = tracker.symbols.get(symbol)  # it may have been removed meanwhile
        if tracked is None or not newest or newest[-1].trade_id <= tracked.coverage.high:
            found.add(symbol)
    return found
