"""Works off the gaps of a capture by REST, beside the sockets."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from k2_shared.core.errors import Unavailable
from k2_shared.core.origin import Origin, Source
from k2_shared.core.telemetry import logger
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.backfill import Filler, Judged
from k2_shared.feed.coverage.coverage import Coverage, Gap, Settled
from k2_shared.feed.coverage.ledger import now_us
from k2_shared.feed.coverage.spans import Spans
from k2_shared.feed.run.book import Series
from k2_shared.feed.run.capture import Capture

WAITING = "feed_backfill_waits"
_LOOK_S = 0.1


@dataclass
class Filling:
    """One step for each symbol with a gap, round after round; live trades never wait for it. ``clock`` is in µs."""

    capture: Capture
    filler: Filler
    clock: Callable[[], int] = now_us
    _id: int = field(default_factory=lambda: secrets.randbits(63))
    _answers: int = 0

    async def run(self) -> None:
        """Fill for ever."""
        while True:
            worked = [await self._step(symbol, series, gap) for symbol, series, gap in self._due()]
            if not any(worked):
                await asyncio.sleep(_LOOK_S)

    def _due(self) -> list[tuple[str, Series, Gap]]:
        """The most urgent gap of each symbol that may be asked for now."""
        opened_by, found = self._opened_by(), []
        for symbol, series in self.capture.book.series.items():
            gap = None if series.coverage.stopped_at else series.coverage.urgent(opened_by)
            if gap and self.filler.due(symbol):
                found.append((symbol, series, gap))
        return found

    def _opened_by(self) -> int:
        """Gaps that were opened later may be late trades yet."""
        return self.clock() - int(self.capture.settings.feed_gap_grace_s * 1e6)

    async def _step(self, symbol: str, series: Series, gap: Gap) -> bool:
        if self.capture.book.series.get(symbol) is not series or series.coverage.gaps.find(gap.first) != gap:
            return False  # dropped or settled while another symbol was worked on
        self.capture.gap_log.opened(symbol, gap)
        try:
            judged, answer = await self.filler.step(symbol, gap, self._opened_by(), series.coverage.since_us)
        except Unavailable as error:
            logger().info(WAITING, symbol=symbol, first_id=gap.first, last_id=gap.last, error=str(error))
            return False
        if self.capture.book.series.get(symbol) is series:
            self._settle(symbol, series.coverage, judged, answer)
            await self.capture.recovered()
        return True

    def _settle(self, symbol: str, coverage: Coverage, judged: Judged, answer: bytes) -> None:
        """Publish what was missing and is not any more; the rest of the page is known.

        A gap that was too young when REST was asked is left alone: the answer may be older than its ids.
        """
        capture, parts = self.capture, coverage.gaps.parts(judged.first, judged.last)
        due = [part for part in parts if part.gap.opened_at <= judged.opened_by]
        missing = Spans((part.first, part.last) for part in due)
        found = [trade for trade in _unique(judged.trades) if trade.trade_id in missing]
        if found:
            self._answers += 1
            capture.publish(answer, found, Origin(time.time_ns(), self._id, self._answers, Source.REST))
        for part in due:
            capture.gap_log.opened(symbol, part.gap)
        settled = list[Settled]()
        for trade in found:
            missing.remove(trade.trade_id, trade.trade_id)
            settled += coverage.settle(trade.trade_id, trade.trade_id)
        capture.gap_log.filled(symbol, settled)
        absent = [part for span in missing for part in coverage.settle(*span)]
        capture.gap_log.unfillable(symbol, absent)


def _unique(trades: Sequence[Trade]) -> list[Trade]:
    """The first trade of each id."""
    return list({trade.trade_id: trade for trade in reversed(trades)}.values())[::-1]
