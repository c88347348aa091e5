"""Writes the gap ledger: a gap that lasts is opened in it, and every part of it is settled in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from k2_shared.core.records import Outgoing
from k2_shared.core.telemetry import FeedMetrics
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.coverage import Gap, Settled
from k2_shared.feed.coverage.ledger import GapRecord, GapState, now_us
from k2_shared.feed.coverage.spans import Spans


@dataclass
class Teller:
    """Knows which ids of each symbol stand open in the ledger."""

    exchange: Exchange
    put: Callable[[Outgoing], None]
    metrics: FeedMetrics
    _open: dict[str, Spans] = field(default_factory=dict)

    def know(self, symbol: str, spans: Spans) -> None:
        """What stands open already."""
        self._open[symbol] = spans
        self._measure(symbol)

    def forget(self, symbol: str) -> None:
        """It is captured no more, and its gaps are closed."""
        self._open.pop(symbol, None)
        self.metrics.open_gap_ids.remove(self.exchange, symbol)

    def opened(self, symbol: str, gap: Gap) -> None:
        """Open what of a gap is not open yet."""
        spans = self._open.setdefault(symbol, Spans())
        for first, last in spans.without(gap.first, gap.last):
            spans.add(first, last)
            self._tell(symbol, GapState.OPENED, gap, first, last)

    def filled(self, symbol: str, settled: Iterable[Settled]) -> None:
        """Close what was published; what was never opened is not told."""
        for gap, first, last in _joined(settled):
            self._close(symbol, GapState.FILLED, gap, first, last)

    def unfillable(self, symbol: str, settled: Iterable[Settled]) -> None:
        """Close what cannot be had; it is opened first, if need be."""
        for gap, first, last in _joined(settled):
            self.opened(symbol, Gap(first, last, gap.cause, gap.opened_at, gap.after_us))
            self._close(symbol, GapState.UNFILLABLE, gap, first, last)

    def _close(self, symbol: str, state: GapState, gap: Gap, first: int, last: int) -> None:
        spans = self._open.setdefault(symbol, Spans())
        for low, high in spans.within(first, last):
            spans.remove(low, high)
            self._tell(symbol, state, gap, low, high)

    def _tell(self, symbol: str, state: GapState, gap: Gap, first: int, last: int) -> None:
        record = GapRecord(
            exchange=self.exchange,
            symbol=symbol,
            state=state,
            first_id=first,
            last_id=last,
            cause=gap.cause,
            opened_at=gap.opened_at,
            at=now_us(),
        )
        self.put(ledger.gaps.outgoing(record))
        self.metrics.gaps.labels(self.exchange, state).inc()
        self.metrics.gap_ids.labels(self.exchange, state).inc(record.count)
        self._measure(symbol)
        if state is GapState.FILLED:
            self.metrics.gap_fill.labels(self.exchange).observe(record.latency_s)

    def _measure(self, symbol: str) -> None:
        self.metrics.open_gap_ids.labels(self.exchange, symbol).set(len(self._open[symbol]))


def _joined(settled: Iterable[Settled]) -> Iterable[tuple[Gap, int, int]]:
    """Parts in ascending order, those that touch as one."""
    spans, gaps = Spans(), dict[int, Gap]()
    for part in settled:
        spans.add(part.first, part.last)
        gaps[part.first] = part.gap
    return [(gaps[first], first, last) for first, last in spans]
