"""Tells of connections, by events and by metrics."""

from dataclasses import dataclass

from k2_shared.core.metrics import Metrics
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.feed_records import EventKind

_WORDS = {"pong": "ping", "silence": "silence", "not confirmed": "subscription", "refused": "refused", "stale": "stale"}


@dataclass(frozen=True)
class ConnectionReports:
    """What a supervisor tells of its connections."""

    events: EventLog
    metrics: Metrics

    def connected(self, url: str) -> None:
        """A connection was made."""
        self.events.tell(EventKind.CONNECTED, url)

    def lost(self, reason: Exception) -> None:
        """A connection ended, or could not be made."""
        exchange = self.events.exchange
        self.metrics.reconnects.labels(exchange).inc()
        self.metrics.feed.peer_lost.labels(exchange, _word(str(reason))).inc()
        self.events.tell(EventKind.DISCONNECTED, str(reason) or type(reason).__name__)

    def congested(self, error: Exception) -> None:
        """A connection was given up because Kafka was too slow."""
        self.metrics.feed.congested.labels(self.events.exchange).inc()
        self.events.tell(EventKind.CONGESTED, str(error))

    def failed_over(self, before: str, now: str, error: Exception) -> None:
        """An endpoint failed several times in a row, and another has taken its place."""
        self.metrics.feed.failovers.labels(self.events.exchange).inc()
        self.events.tell(EventKind.FAILOVER, f"from {before} to {now}: {error}")

    def rotated(self, outcome: str, age_s: float) -> None:
        """A connection of that age was replaced."""
        self._count_rotation(outcome)
        self.events.tell(EventKind.ROTATED, f"{outcome} after {age_s:.1f} s")

    def rotation_failed(self) -> None:
        """A connection could not be replaced, and stays."""
        self._count_rotation("failed")

    def _count_rotation(self, outcome: str) -> None:
        self.metrics.feed.rotations.labels(self.events.exchange, outcome).inc()


def _word(reason: str) -> str:
    """One of a bounded set of words for why a connection ended, fit for a metric's label."""
    return next((word for part, word in _WORDS.items() if part in reason), "closed")
