"""What a run reports regularly: gaps, resets, subscriptions, sockets that lag, and the venue's clock."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Gauge

from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.feed_records import EventKind, now_us
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.skew import ClockSkew
from k2_shared.feed.coverage.staleness import Laggards
from k2_shared.feed.publish.tracker import FrameIntake, SymbolTracker
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.transport.connector import Connector

_GAPS_MAX = 1_000  # of a symbol in one report: after a start with many, trades do not wait for all of them


@dataclass
class GapReports:
    """Brings the gap log up to date with what is tracked, and tells of resets.

    A gap is opened when it is ``grace_s`` old. A reset is checkpointed at once: a new process must know of it.
    """

    tracker: SymbolTracker
    gap_log: GapLog
    events: EventLog
    checkpoint_now: Callable[[], None]
    grace_s: float
    _stopped: dict[str, int] = field(default_factory=dict)

    def report(self) -> None:
        """Report what has changed since the last time; raises Unavailable once Kafka has not taken a record."""
        opened_by = now_us() - int(self.grace_s * 1e6)
        for symbol, tracked in self.tracker.symbols.items():
            coverage = tracked.coverage
            if tracked.settled:
                settled, tracked.settled = tracked.settled, []
                self.gap_log.filled(symbol, settled)
            if tracked.backfill_from and coverage.begun:
                coverage.reopen(tracked.backfill_from)
                tracked.backfill_from = 0
            for gap in coverage.lasting(opened_by, _GAPS_MAX):
                self.gap_log.opened(symbol, gap)
            if coverage.stopped_at != self._stopped.get(symbol, 0):
                self._tell_reset(symbol, coverage)

    def _tell_reset(self, symbol: str, coverage: Coverage) -> None:
        """Tell that a symbol was stopped, also if it had been resumed a moment before."""
        self._stopped[symbol] = coverage.stopped_at
        if coverage.stopped_at:
            self.checkpoint_now()
            detail = f"after {coverage.high} came {coverage.reset_to}: decide by 'k2 feed resume'"
            self.events.tell(EventKind.RESET, detail, symbol)


@dataclass
class SubscriptionReports:
    """Tells which symbols begin and cease to be carried by a connection."""

    symbols: CapturedSymbols
    connector: Connector
    events: EventLog
    _told: set[str] = field(default_factory=set)

    def report(self) -> None:
        """Report what has changed since the last time; raises Unavailable once Kafka has not taken a record."""
        symbols, confirmed = self.symbols, self.connector.confirmed
        for symbol in sorted(confirmed - self._told):
            self.events.tell(EventKind.SUBSCRIBED, "", symbol)
            symbols.refusals.pop(symbol, None)
        for symbol in sorted(self._told & symbols.names.keys() - confirmed):
            self.events.tell(EventKind.LOST, "no socket carries it now", symbol)
        self._told = confirmed
        symbols.on_trial -= confirmed

    def leave(self) -> None:
        """Tell that the symbols are not captured any more, for the run ends."""
        for symbol in sorted(self._told & self.symbols.names.keys()):
            self.events.tell(EventKind.LOST, "its feed stops", symbol)
        self._told = set()


@dataclass
class ClockReports:
    """Measures how far the venue's clock leads ours, and tells when that is more than ``limit_s``."""

    intake: FrameIntake
    skew: ClockSkew
    events: EventLog
    lead: Gauge
    limit_s: float
    _ahead: bool = False

    def sample(self) -> None:
        """Note the newest trade's times."""
        if self.intake.sample:
            exchange_us, received_ns = self.intake.sample
            self.skew.note(exchange_us, received_ns // 1_000)
            self.intake.sample = None

    def report(self) -> None:
        """Set the gauge, or remove it where no live trade tells; tell once when the lead passes the limit."""
        lead_s = self.skew.seconds
        if lead_s is None:
            self.lead.clear()
            return
        self.lead.labels(self.events.exchange).set(lead_s)
        ahead = lead_s > self.limit_s
        if ahead and not self._ahead:
            self.events.tell(EventKind.CLOCK_SKEW, f"the venue's clock leads ours by {lead_s:.3f} s")
        self._ahead = ahead


@dataclass(frozen=True)
class LaggardReports:
    """Gives up connections that bring nothing of a symbol while others do, and tells of them."""

    connector: Connector
    laggards: Laggards
    events: EventLog

    def report(self) -> None:
        """Look for connections that lag, and give them up."""
        lagging = dict(self.laggards.look(self.connector.connections))
        for connection in [each for each in self.connector.connections if each.id in lagging]:
            symbol = lagging[connection.id]
            self.events.tell(EventKind.STALE, "one socket brings nothing of it, and others do", symbol)
            connection.give_up(f"stale: {symbol}")
