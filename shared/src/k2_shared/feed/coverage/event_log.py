"""The event log of a feed: what happens to it, in its topic and among the log lines."""

from collections.abc import Callable
from dataclasses import dataclass

from k2_shared.core.logs import logger
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, now_us

_EVENT = "feed_event"


@dataclass(frozen=True)
class EventLog:
    """Writes the events of one feed. ``put`` sends a record and may raise Unavailable."""

    exchange: Exchange
    service: str
    put: Callable[[Outgoing], None]

    def tell(self, kind: EventKind, detail: str, symbol: str = "") -> None:
        """Write an event about a symbol, or about the venue as a whole."""
        record = EventRecord(
            exchange=self.exchange, kind=kind, service=self.service, at=now_us(), symbol=symbol, detail=detail
        )
        self.put(feed_records.events.outgoing(record))
        logger().info(_EVENT, kind=kind, symbol=symbol or None, detail=detail)
