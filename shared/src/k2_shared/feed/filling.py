"""Works off the gaps of a capture by REST, beside the sockets."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field

from k2_shared.errors import Unavailable
from k2_shared.feed.backfill import Filler, Judged
from k2_shared.feed.book import Series
from k2_shared.feed.capture import Capture
from k2_shared.feed.coverage import Gap
from k2_shared.feed.ledger import Cause, now_us
from k2_shared.origin import Origin, Source
from k2_shared.telemetry import logger

WAITING = "feed_backfill_waits"
_LOOK_S = 0.1


@dataclass
class Filling:
    """One step for each symbol with a gap, round after round; live trades never wait for it."""

    capture: Capture
    filler: Filler
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
        told_by = now_us() - self.capture.settings.feed_gap_grace_s * 1e6
        found = []
        for symbol, series in self.capture.book.series.items():
            gaps = [gap for gap in series.coverage.gaps if gap.opened_at <= told_by]
            if gaps and not series.coverage.stopped_at and self.filler.due(symbol):
                found.append((symbol, series, min(gaps, key=_urgency)))
        return found

    async def _step(self, symbol: str, series: Series, gap: Gap) -> bool:
        if self.capture.book.series.get(symbol) is not series or gap not in series.coverage.gaps:
            return False  # dropped or settled while another symbol was worked on
        self.capture.teller.opened(symbol, gap)
        try:
            judged, answer = await self.filler.step(symbol, gap, series.coverage.since_us)
        except Unavailable as error:
            logger().info(WAITING, symbol=symbol, first_id=gap.first, last_id=gap.last, error=str(error))
            return False
        if self.capture.book.series.get(symbol) is series:
            self._settle(symbol, series, judged, answer)
            await self.capture.recovered()
        return True

    def _settle(self, symbol: str, series: Series, judged: Judged, answer: bytes) -> None:
        """Publish what was missing and is not any more; the rest of the page is known."""
        capture, coverage = self.capture, series.coverage
        found = [trade for trade in judged.found if coverage.missing(trade.trade_id)]
        if found:
            self._answers += 1
            capture.publish(answer, found, Origin(time.time_ns(), self._id, self._answers, Source.REST))
        settled = [part for trade in found for part in coverage.settle(trade.trade_id, trade.trade_id)]
        capture.teller.filled(symbol, settled)
        absent = [part for first, last in judged.absent for part in coverage.settle(first, last)]
        capture.teller.unfillable(symbol, absent)


def _urgency(gap: Gap) -> tuple[bool, int]:
    """What was lost comes before history that was asked for; the oldest first."""
    return gap.cause is Cause.REQUEST, gap.first
