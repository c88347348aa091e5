"""Asks the venue by REST about symbols that the sockets bring nothing of: are they quiet, or are we deaf?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from k2_shared.core.errors import Unavailable
from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.ledger import Cause, EventKind
from k2_shared.feed.coverage.staleness import Staleness
from k2_shared.feed.run.capture import Capture

_EVERY_S = 1.0
_FIRST_IDS = 1_000  # a page of REST: how far back a series that no socket has begun may begin


@dataclass
class Probes:
    """Asks about one symbol after another, each seldom; what the venue has and the sockets have not is missing."""

    capture: Capture
    staleness: Staleness
    _first_asked: set[str] = field(default_factory=set)  # confirmed symbols without a trade that were asked about

    async def run(self) -> None:
        """Ask for ever; REST's own faults are waited out."""
        while True:
            await asyncio.sleep(_EVERY_S)
            for symbol in self._due():
                if await self._is_stale(symbol):
                    self.capture.silent.note(symbol)

    def _due(self) -> list[str]:
        """Symbols that have been quiet for long, and at once those that were just confirmed without a trade."""
        series = self.capture.book.series
        new = {symbol for symbol in self.capture.confirmed & series.keys() if not series[symbol].coverage.begun}
        self._first_asked &= new
        return sorted({*self.staleness.look(self.capture.highs()), *(new - self._first_asked)})

    async def _is_stale(self, symbol: str) -> bool:
        """Whether the venue has newer trades than the sockets brought; they are missing from now on."""
        capture = self.capture
        if symbol not in capture.book.series or not capture.confirmed >= {symbol}:
            return False
        try:
            newest = (await capture.history.newest(symbol)).trades
        except Unavailable:
            return False
        self.staleness.quiet(symbol)
        await asyncio.sleep(capture.settings.feed_gap_grace_s)  # it may be on its way through a socket
        series = capture.book.series.get(symbol)
        if series is None:
            return False
        if not series.coverage.begun:
            await self._begin(symbol, series.coverage, newest)
        return bool(newest) and series.coverage.begun and self._reach(symbol, series.coverage, newest[-1].trade_id)

    async def _begin(self, symbol: str, coverage: Coverage, newest: Sequence[Trade]) -> None:
        """Begin a series that no socket has begun, with the first trade since the feed became responsible for it."""
        is_first = symbol not in self._first_asked
        self._first_asked.add(symbol)
        if not newest:
            return
        newest_id, skew_us = newest[-1].trade_id, int(self.capture.settings.feed_clock_skew_s * 1e6)
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
            page, _ = await self.capture.history.since(symbol, max(1, newest_id - _FIRST_IDS + 1), since_us)
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
        self.capture.tell(EventKind.STALE, f"the newest is {newest_id}, the sockets brought {high}", symbol)
        for connection in list(self.capture.connections):
            connection.give_up(f"stale: {symbol}")
        return True
