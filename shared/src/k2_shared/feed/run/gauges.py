"""The metrics of a run that are measured, not counted as they happen."""

from dataclasses import dataclass

from k2_shared.core.metrics import Metrics
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.silent import SilentSymbols
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import FrameIntake
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.venue.budget import ConnectionAttempts


@dataclass(frozen=True)
class Gauges:
    """Measures connections, symbols and the publisher of one venue."""

    exchange: Exchange
    metrics: Metrics
    connector: Connector
    attempts: ConnectionAttempts
    intake: FrameIntake
    publisher: Publisher
    silent: SilentSymbols

    def measure(self) -> None:
        """Set every gauge to what it is now, and bring the counters up to date."""
        metrics, exchange = self.metrics, self.exchange
        metrics.feed.unacknowledged.set(self.publisher.backlog.records)
        metrics.feed.unacknowledged_s.labels(exchange).set(self.publisher.unacknowledged_s)
        metrics.feed.connect_attempts.labels(exchange).set(len(self.attempts.made))
        self._measure_connections()
        self._measure_symbols()
        self.count()

    def count(self) -> None:
        """Add to the counters what the intake has counted since; once more when the run has ended."""
        metrics, exchange, intake = self.metrics, self.exchange, self.intake
        metrics.feed.suppressed.labels(exchange).inc(intake.tracker.suppressed)
        intake.tracker.suppressed = 0
        for kind, count in intake.kinds.items():
            metrics.frames.labels(exchange, kind).inc(count)
        intake.kinds.clear()

    def _measure_connections(self) -> None:
        metrics, exchange, connections = self.metrics, self.exchange, self.connector.connections
        complete = sum(connection.complete for connection in connections)
        metrics.feed.sockets.labels(exchange).set(complete)
        metrics.connected.labels(exchange).set(min(1, complete))
        silent = self.silent.look(connections, self.connector.names)
        metrics.feed.stale_symbols.labels(exchange).set(len(silent))

    def _measure_symbols(self) -> None:
        metrics, exchange, symbols = self.metrics, self.exchange, self.intake.tracker.symbols
        stopped = sum(bool(tracked.coverage.stopped_at) for tracked in symbols.values())
        metrics.feed.stopped_symbols.labels(exchange).set(stopped)
        for symbol, tracked in symbols.items():
            metrics.last_record.labels(exchange, symbol).set(tracked.coverage.high_us / 1e6)
