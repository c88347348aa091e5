"""Fills the gaps of all symbols by REST, beside the connections."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from k2_shared.core.errors import Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.origin import Origin, Source
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.gap_filler import GapFiller, PageFindings
from k2_shared.feed.coverage.coverage import Coverage, Gap, Settled
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.intervals import IntervalSet
from k2_shared.feed.publish.tracker import SymbolTracker, TrackedSymbol

WAITING = "feed_backfill_waits"
_LOOK_S = 0.1


@dataclass
class BackfillWorker:
    """Asks REST once for each symbol with a gap, round after round; live trades never wait for it.

    ``publish`` sends an answer and trades of it, and ``outlast_congestion`` waits until Kafka takes more. Gaps younger
    than ``grace_s`` are left alone: their ids may be late on a socket yet. ``clock`` is in µs.
    """

    tracker: SymbolTracker
    gap_log: GapLog
    filler: GapFiller
    publish: Callable[[bytes, Sequence[Trade], Origin], None]
    outlast_congestion: Callable[[], Awaitable[None]]
    grace_s: float
    clock: Callable[[], int] = now_us
    _id: int = field(default_factory=lambda: secrets.randbits(63))
    _answers: int = 0

    async def run(self) -> None:
        """Fill gaps until cancelled. Raises Unavailable once Kafka has not taken a record."""
        while True:
            worked = [await self.step(symbol, tracked, gap) for symbol, tracked, gap in self.due()]
            if not any(worked):
                await asyncio.sleep(_LOOK_S)

    def due(self) -> list[tuple[str, TrackedSymbol, Gap]]:
        """The most urgent gap of each symbol that may be asked for now."""
        opened_by, found = self._opened_by(), []
        for symbol, tracked in self.tracker.symbols.items():
            gap = None if tracked.coverage.stopped_at else tracked.coverage.urgent(opened_by)
            if gap and self.filler.due(symbol):
                found.append((symbol, tracked, gap))
        return found

    def _opened_by(self) -> int:
        """The time in µs by which a gap must be open to be asked for; ids of younger ones may still be on their way."""
        return self.clock() - int(self.grace_s * 1e6)

    async def step(self, symbol: str, tracked: TrackedSymbol, gap: Gap) -> bool:
        """Ask once for the start of a gap; False where there was nothing to ask, or no answer."""
        if self.tracker.symbols.get(symbol) is not tracked or tracked.coverage.gaps.find(gap.first) != gap:
            return False  # dropped or settled while another symbol was worked on
        self.gap_log.opened(symbol, gap)
        try:
            findings, answer = await self.filler.step(symbol, gap, self._opened_by(), tracked.coverage.since_us)
        except Unavailable as error:
            logger().info(WAITING, symbol=symbol, first_id=gap.first, last_id=gap.last, error=str(error))
            return False
        if self.tracker.symbols.get(symbol) is tracked:
            self.settle(symbol, tracked.coverage, findings, answer)
            await self.outlast_congestion()
        return True

    def settle(self, symbol: str, coverage: Coverage, findings: PageFindings, answer: bytes) -> None:
        """Publish the trades of a page that were missing, and close their gaps; the other trades are known.

        A gap that was too young when REST was asked is left alone: the answer may be older than its ids.
        """
        parts = coverage.gaps.parts(findings.first, findings.last)
        due = [part for part in parts if part.gap.opened_at <= findings.opened_by]
        missing = IntervalSet((part.first, part.last) for part in due)
        found = [trade for trade in _unique(findings.trades) if trade.trade_id in missing]
        if found:
            self._answers += 1
            self.publish(answer, found, Origin(time.time_ns(), self._id, self._answers, Source.REST))
        for part in due:
            self.gap_log.opened(symbol, part.gap)
        settled = list[Settled]()
        for trade in found:
            missing.remove(trade.trade_id, trade.trade_id)
            settled += coverage.settle(trade.trade_id, trade.trade_id)
        self.gap_log.filled(symbol, settled)
        absent = [part for interval in missing for part in coverage.settle(*interval)]
        self.gap_log.unfillable(symbol, absent)


def _unique(trades: Sequence[Trade]) -> list[Trade]:
    """The first trade of each id."""
    return list({trade.trade_id: trade for trade in reversed(trades)}.values())[::-1]
