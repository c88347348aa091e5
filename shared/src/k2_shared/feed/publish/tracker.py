"""From what a protocol read of a frame to what is published: the symbol tracker, and the intake of frames."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import prometheus_client

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.logs import logger
from k2_shared.core.origin import Origin
from k2_shared.core.trade import Exchange, Trade
from k2_shared.feed.coverage.coverage import Coverage, CoverageLimits, Settled, TradeVerdict
from k2_shared.feed.coverage.feed_records import Cause, now_us
from k2_shared.feed.coverage.recent import RecentTrades, RecentWindows
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.venue.protocol import OTHER, Event, Notice, Refused, TradesReceived, Unreadable

REFUSED = "feed_frame_refused"
UNKNOWN = "feed_frame_unknown"
_TRADES = "trades"
_KINDS_MAX, _KIND_CHARACTERS, _FRAME_CHARACTERS = 100, 40, 200


@dataclass
class TrackedSymbol:
    """One symbol: its coverage, its recent trades, and the parts of gaps that were filled since the last report."""

    symbol: str
    coverage: Coverage
    recent: RecentTrades
    settled: list[Settled] = field(default_factory=list)
    backfill_from: int = 0  # an operator asked for history from this id on

    def continued(self, trades: Sequence[Trade], connection: int) -> bool:
        """Account for trades that follow the highest id one by one, as nearly all do; False where one does not."""
        coverage = self.coverage
        expected, symbol = coverage.high, self.symbol
        if not coverage.first or coverage.stopped_at:
            return False
        for trade in trades:
            expected += 1
            if trade.trade_id != expected or trade.symbol != symbol:
                return False
        coverage.high, coverage.high_us = expected, trades[-1].timestamp
        self.recent.note(trades, connection)
        return True

    def take(self, trade: Trade, connection: int) -> TradeVerdict | None:
        """Account for a trade from a socket; None where it is a copy."""
        coverage = self.coverage
        if coverage.stopped_at:
            return TradeVerdict.RESET
        # A symbol that has not begun is shown trades of an ended numbering, or no ids at all.
        verdict = coverage.offer(trade.trade_id, trade.timestamp) if coverage.begun else TradeVerdict.KNOWN
        if verdict is TradeVerdict.KNOWN and self.recent.is_copy(trade, connection):
            return None
        if verdict is TradeVerdict.FILLS:
            self.settled += coverage.settle(trade.trade_id, trade.trade_id)
        elif verdict is TradeVerdict.RESET:
            coverage.stopped_at, coverage.reset_to, coverage.reset_us = now_us(), trade.trade_id, trade.timestamp
            return verdict
        self.recent.note((trade,), connection)
        return verdict


class SymbolTracker:
    """Every captured symbol, and the one place that says whether a trade is published; no I/O.

    ``suppressed`` counts copies of what another socket brought; ``stopped`` gathers, until it is emptied, the trades
    whose ids do not continue those of their symbol.
    """

    def __init__(self, window: int, limits: CoverageLimits | None = None) -> None:
        self._windows = RecentWindows(window)
        self._limits = limits or CoverageLimits()
        self._symbols: dict[str, TrackedSymbol] = {}
        self.suppressed = 0
        self.stopped: list[Trade] = []

    @property
    def symbols(self) -> Mapping[str, TrackedSymbol]:
        """Every tracked symbol, by its canonical name."""
        return self._symbols

    def add(self, symbol: str, coverage: Coverage | None = None) -> TrackedSymbol:
        """Track a symbol from its next trade on, or from a coverage on."""
        self.drop(symbol)
        window = self._windows.window(symbol, len(self._symbols))
        tracked = self._symbols[symbol] = TrackedSymbol(symbol, coverage or Coverage(self._limits), window)
        return tracked

    def drop(self, symbol: str) -> None:
        """Forget a symbol that is captured no more."""
        self._symbols.pop(symbol, None)

    def expect(self, cause: Cause, symbols: Iterable[str]) -> None:
        """Set the cause of the gap that may follow the highest id of each of these symbols."""
        for symbol in symbols:
            if symbol in self._symbols:
                self._symbols[symbol].coverage.expect(cause)

    def take(self, trades: Sequence[Trade], connection: int) -> Sequence[Trade]:
        """Account for a frame's trades; returns those to publish, also of a symbol that was dropped."""
        tracked = self._symbols.get(trades[0].symbol)
        if tracked is not None and tracked.continued(trades, connection):
            return trades
        self._begin(trades)
        return [trade for trade in trades if self._is_published(trade, connection)]

    def _is_published(self, trade: Trade, connection: int) -> bool:
        tracked = self._symbols.get(trade.symbol)
        verdict = tracked.take(trade, connection) if tracked else TradeVerdict.KNOWN
        if verdict is None:
            self.suppressed += 1
        elif verdict is TradeVerdict.RESET:
            self.stopped.append(trade)
        return verdict not in (None, TradeVerdict.RESET)

    def _begin(self, trades: Sequence[Trade]) -> None:
        for symbol in {trade.symbol for trade in trades} & self._symbols.keys():
            coverage = self._symbols[symbol].coverage
            own = [trade for trade in trades if trade.symbol == symbol and trade.timestamp >= coverage.since_us]
            ids = [trade.trade_id for trade in own if trade.trade_id > 0]
            if ids and not coverage.begun:
                coverage.begin(min(ids))


@dataclass
class FrameIntake:
    """Takes every frame of every connection, with what the protocol read of it, in the order of arrival.

    A frame with trades that no other connection has brought is published with them; one that cannot be read, or whose
    ids go back, is quarantined. ``refused`` is told what the venue refuses. No method blocks, and each raises
    Unavailable once Kafka has not taken a record.
    """

    exchange: Exchange
    tracker: SymbolTracker
    publisher: Publisher
    rejected: prometheus_client.Counter
    refused: Callable[[Refused], None]
    kinds: Counter[str] = field(default_factory=Counter)  # frames since they were last counted
    sample: tuple[int, int] | None = None  # exchange time in µs and receipt in ns of a recent trade
    _unknown: set[str] = field(default_factory=set)  # kinds of frames that were logged

    def take(self, connection: int, frame: bytes, event: Event, origin: Origin) -> None:
        """Account for a frame that a connection, by its number, brought, and publish what is new in it."""
        if type(event) is TradesReceived:
            self._take_trades(connection, frame, event, origin)
            return
        self.kinds[event.kind if isinstance(event, Notice) else type(event).__name__] += 1
        if isinstance(event, Notice) and event.kind == OTHER:
            self._log_unknown(event.detail[:_KIND_CHARACTERS], frame)
        if isinstance(event, Unreadable):
            self._quarantine(frame, self.exchange.encode(), InvalidRecord("unreadable_frame", event.detail), origin)

    def publish(self, frame: bytes, trades: Sequence[Trade], origin: Origin) -> None:
        """Publish a frame and trades of it; what V3 cannot hold goes to the dead letters, whole."""
        for error in self.publisher.frame(frame, trades, origin):
            self._count_rejected(error)

    async def wait_for_capacity(self) -> None:
        """Wait until Kafka has acknowledged enough of what was published.

        Raises:
            Congested: it has not for too long.
        """
        await self.publisher.backlog.wait_for_capacity()

    def _take_trades(self, connection: int, frame: bytes, event: TradesReceived, origin: Origin) -> None:
        trades, tracker = event.trades, self.tracker
        self.kinds[_TRADES] += 1
        published = tracker.take(trades, connection)
        self.sample = (trades[-1].timestamp, origin.received_ns)
        if published:
            self.publish(frame, published, origin)
        if tracker.stopped:
            stopped, tracker.stopped = tracker.stopped[0], []
            error = InvalidRecord("id_reset", f"{stopped.message_id} does not continue the ids of {stopped.symbol}")
            self._quarantine(frame, stopped.key, error, origin)

    def _quarantine(self, frame: bytes, key: bytes, error: InvalidRecord, origin: Origin) -> None:
        self.publisher.quarantine(frame, key, error, origin)
        self._count_rejected(error)

    def _log_unknown(self, kind: str, frame: bytes) -> None:
        """Log a kind of frame that the protocol does not know, once."""
        if kind not in self._unknown and len(self._unknown) < _KINDS_MAX:
            self._unknown.add(kind)
            logger().warning(UNKNOWN, kind=kind, frame=frame[:_FRAME_CHARACTERS].decode(errors="replace"))

    def _count_rejected(self, error: InvalidRecord) -> None:
        self.rejected.labels(error.reason).inc()
        logger().warning(REFUSED, reason=error.reason, detail=error.detail)
