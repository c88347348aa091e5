"""The symbols that a feed captures, and how one begins and ends."""

from dataclasses import dataclass, field

from prometheus_client import Gauge

from k2_shared.feed.coverage.coverage import Coverage, Settled
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.feed_records import EventKind
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.store import CoverageStore
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.venue.protocol import Refused


@dataclass
class CapturedSymbols:
    """Which symbols are captured now. Every method raises Unavailable once Kafka has not taken a record.

    ``suspended`` were captured before and cannot be now; what Kafka has of them stays.
    """

    tracker: SymbolTracker
    gap_log: GapLog
    events: EventLog
    store: CoverageStore
    publisher: Publisher
    last_record: Gauge
    names: dict[str, str]  # canonical symbol to the venue's name
    on_trial: set[str] = field(default_factory=set)  # added, and not confirmed by any connection yet
    refusals: dict[str, str] = field(default_factory=dict)  # the venue's last words about a symbol, until it is carried
    suspended: set[str] = field(default_factory=set)

    async def begin(self, symbol: str, coverage: Coverage) -> None:
        """Be responsible for a symbol from now on; that is durable before any trade of it is."""
        stamp = await self.store.end(symbol)
        self.publisher.put(self.store.checkpoint(symbol, coverage, stamp))
        await self.publisher.flush()
        self.tracker.add(symbol, coverage)

    def refused(self, refusal: Refused) -> None:
        """Tell of a refusal by the venue; a symbol on trial is left, unless it may be granted in a while."""
        symbol = refusal.symbol
        if symbol in self.on_trial and not refusal.transient:
            self.events.tell(EventKind.REJECTED, refusal.message, symbol)
            self.forget(symbol)
        elif not symbol or symbol in self.names:
            self.events.tell(EventKind.REFUSED, refusal.message, symbol)
            self.refusals[symbol] = refusal.message

    def forget(self, symbol: str) -> None:
        """Leave a symbol: close its gaps, and delete its metrics and its checkpoint."""
        self.close_gaps(symbol)
        self.gap_log.forget(symbol)
        self.last_record.remove(self.events.exchange, symbol)
        self.names.pop(symbol, None)
        self.on_trial.discard(symbol)
        self.refusals.pop(symbol, None)
        self.tracker.drop(symbol)
        self.publisher.put(self.store.forgotten(symbol))

    def close_gaps(self, symbol: str) -> None:
        """End a numbering: what is missing of it is unfillable, for it will not be asked for any more."""
        tracked = self.tracker.symbols.get(symbol)
        if tracked:
            settled, tracked.settled = tracked.settled, []
            self.gap_log.filled(symbol, settled)
            gaps = tracked.coverage.gaps
            self.gap_log.unfillable(symbol, [Settled(gap, gap.first, gap.last) for gap in gaps])
