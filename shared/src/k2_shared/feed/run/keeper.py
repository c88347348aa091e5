"""What a feed does beside the data path: the ledger, stale symbols, clocks, memory, metrics."""

import asyncio
import time
from dataclasses import dataclass, field

from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.ledger import EventKind, now_us
from k2_shared.feed.coverage.skew import ClockSkew
from k2_shared.feed.coverage.staleness import Laggards, Staleness
from k2_shared.feed.run.capture import Capture
from k2_shared.feed.run.memory import MemoryWatch

TICK_S = 0.1
_LOOK_EVERY = 10  # ticks
_SKEW_WINDOW_S = 60.0
_WRITTEN_MAX = 1_000_000_000
_TOLD_MAX = 1_000  # gaps of a symbol in one tick: after a start with many, trades do not wait for all of them


class WornOut(Exception):
    """The producer has written so much that it must be replaced: aiokafka counts wrongly from 2^31 records on."""


@dataclass
class Keeper:
    """Looks after one capture until cancelled."""

    capture: Capture
    memory: MemoryWatch
    staleness: Staleness = field(init=False)
    laggards: Laggards = field(init=False)
    skew: ClockSkew = field(init=False)
    _told: set[str] = field(default_factory=set)
    _stopped: dict[str, int] = field(default_factory=dict)
    _ahead: bool = False

    def __post_init__(self) -> None:
        self.staleness = Staleness(self.capture.settings.feed_stale_after_s, time.monotonic)
        self.staleness.at_once(self.capture.names)
        self.laggards = Laggards(self.capture.settings.feed_stale_after_s, time.monotonic)
        self.skew = ClockSkew(_SKEW_WINDOW_S, time.monotonic)

    async def run(self) -> None:
        """Tick for ever.

        Raises:
            Unavailable: this process has grown too large, or Kafka takes nothing.
            WornOut: the producer must be replaced.
        """
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            self.tell()
            ticks += 1
            if ticks % _LOOK_EVERY == 0:
                self._look()

    def tell(self) -> None:
        """Bring the ledger and the events up to date with the book."""
        capture = self.capture
        opened_by = now_us() - int(capture.settings.feed_gap_grace_s * 1e6)
        for symbol, series in capture.book.series.items():
            coverage = series.coverage
            if series.settled:
                settled, series.settled = series.settled, []
                capture.gap_log.filled(symbol, settled)
            if series.backfill_from and coverage.begun:
                coverage.reopen(series.backfill_from)
                series.backfill_from = 0
            for gap in coverage.lasting(opened_by, _TOLD_MAX):
                capture.gap_log.opened(symbol, gap)
            if coverage.stopped_at != self._stopped.get(symbol, 0):
                self._tell_reset(symbol, coverage)
        self._tell_subscribed()
        self._sample()

    def _tell_reset(self, symbol: str, coverage: Coverage) -> None:
        """Say when a symbol was stopped, also if it had been resumed a moment before."""
        self._stopped[symbol] = coverage.stopped_at
        if coverage.stopped_at:
            self.capture.hurry.set()
            detail = f"after {coverage.high} came {coverage.reset_to}: decide by 'k2 feed resume'"
            self.capture.tell(EventKind.RESET, detail, symbol)

    def _tell_subscribed(self) -> None:
        capture, confirmed = self.capture, self.capture.confirmed
        for symbol in sorted(confirmed - self._told):
            capture.tell(EventKind.SUBSCRIBED, "", symbol)
            capture.refusals.pop(symbol, None)
        for symbol in sorted(self._told & capture.names.keys() - confirmed):
            capture.tell(EventKind.LOST, "no socket carries it now", symbol)
        self._told = confirmed
        capture.trial -= confirmed

    def leave(self) -> None:
        """Say what is captured no more, for this process ends."""
        for symbol in sorted(self._told & self.capture.names.keys()):
            self.capture.tell(EventKind.LOST, "its feed stops", symbol)
        self._told = set()
        self.tell()

    def _sample(self) -> None:
        if self.capture.sample:
            exchange_us, received_ns = self.capture.sample
            self.skew.note(exchange_us, received_ns // 1_000)
            self.capture.sample = None

    def _look(self) -> None:
        self.capture.metrics.feed.memory.set(self.memory.check())
        if self.capture.publisher.written >= _WRITTEN_MAX:
            raise WornOut
        self._measure()
        self.count()
        self._tell_skew()
        self._drop_laggards()

    def _measure(self) -> None:
        """Say how it is now."""
        capture, metrics, exchange = self.capture, self.capture.metrics, self.capture.venue.exchange
        series = capture.book.series
        metrics.feed.unacknowledged.set(capture.publisher.backlog.records)
        metrics.feed.unacknowledged_s.labels(exchange).set(capture.publisher.unacknowledged_s)
        metrics.feed.connect_attempts.labels(exchange).set(len(capture.attempts.made))
        metrics.feed.stopped_symbols.labels(exchange).set(sum(bool(s.coverage.stopped_at) for s in series.values()))
        whole = sum(connection.complete for connection in capture.connections)
        metrics.feed.sockets.labels(exchange).set(whole)
        metrics.connected.labels(exchange).set(min(1, whole))
        silent = capture.silent.look(capture.connections, capture.names)
        metrics.feed.stale_symbols.labels(exchange).set(len(silent))
        for symbol, each in series.items():
            metrics.last_record.labels(exchange, symbol).set(each.coverage.high_us / 1e6)

    def count(self) -> None:
        """Bring the counters up to date with what was taken; once more when the capture has ended."""
        capture, metrics, exchange = self.capture, self.capture.metrics, self.capture.venue.exchange
        metrics.feed.suppressed.labels(exchange).inc(capture.book.suppressed)
        capture.book.suppressed = 0
        for kind, count in capture.kinds.items():
            metrics.frames.labels(exchange, kind).inc(count)
        capture.kinds.clear()

    def _drop_laggards(self) -> None:
        """Let go of sockets that lag behind the others."""
        capture = self.capture
        lagging = dict(self.laggards.look(capture.connections))
        for connection in [each for each in capture.connections if each.id in lagging]:
            symbol = lagging[connection.id]
            capture.tell(EventKind.STALE, "one socket brings nothing of it, and others do", symbol)
            connection.give_up(f"stale: {symbol}")

    def _tell_skew(self) -> None:
        lead_s, limit_s = self.skew.seconds, self.capture.settings.feed_clock_skew_s
        if lead_s is None:
            return
        self.capture.metrics.feed.clock_skew.labels(self.capture.venue.exchange).set(lead_s)
        ahead = lead_s > limit_s
        if ahead and not self._ahead:
            self.capture.tell(EventKind.CLOCK_SKEW, f"the venue's clock leads ours by {lead_s:.3f} s")
        self._ahead = ahead
