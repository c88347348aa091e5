"""The coverage of every symbol, and what of a frame's trades is to be published. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.copies import Copies, Windows
from k2_shared.feed.coverage.coverage import Coverage, Limits, Settled, Verdict
from k2_shared.feed.coverage.ledger import Cause, now_us


@dataclass
class Series:
    """One symbol: its coverage, its recent trades, and what was settled since it was last asked."""

    symbol: str
    coverage: Coverage
    copies: Copies
    settled: list[Settled] = field(default_factory=list)
    backfill_from: int = 0  # an operator asked for history from this id on

    def continued(self, trades: Sequence[Trade], connection: int) -> bool:
        """Account for trades that go on where the series stands, as nearly all do; False where one does not."""
        coverage = self.coverage
        expected, symbol = coverage.high, self.symbol
        if not coverage.first or coverage.stopped_at:
            return False
        for trade in trades:
            expected += 1
            if trade.trade_id != expected or trade.symbol != symbol:
                return False
        coverage.high, coverage.high_us = expected, trades[-1].timestamp
        self.copies.note(trades, connection)
        return True

    def take(self, trade: Trade, connection: int) -> Verdict | None:
        """Account for a trade from a socket; None where it is a copy."""
        coverage = self.coverage
        if coverage.stopped_at:
            return Verdict.RESET
        # A symbol that has not begun is shown trades of an ended numbering, or no ids at all.
        verdict = coverage.offer(trade.trade_id, trade.timestamp) if coverage.begun else Verdict.KNOWN
        if verdict is Verdict.KNOWN and self.copies.is_copy(trade, connection):
            return None
        if verdict is Verdict.FILLS:
            self.settled += coverage.settle(trade.trade_id, trade.trade_id)
        elif verdict is Verdict.RESET:
            coverage.stopped_at, coverage.reset_to, coverage.reset_us = now_us(), trade.trade_id, trade.timestamp
            return verdict
        self.copies.note((trade,), connection)
        return verdict


class Book:
    """Every symbol's series; the one place that says whether a trade is published.

    ``suppressed`` counts copies of what another socket brought; ``stopped`` gathers, until it is emptied, the trades
    that do not continue their series.
    """

    def __init__(self, copies: int, limits: Limits | None = None) -> None:
        self._windows = Windows(copies)
        self._limits = limits or Limits()
        self._series: dict[str, Series] = {}
        self.suppressed = 0
        self.stopped: list[Trade] = []

    @property
    def series(self) -> Mapping[str, Series]:
        """The series by canonical symbol."""
        return self._series

    def add(self, symbol: str, coverage: Coverage | None = None) -> Series:
        """Begin a symbol, or go on from a coverage."""
        self.drop(symbol)
        series = Series(symbol, coverage or Coverage(self._limits), self._windows.window(symbol, len(self._series)))
        self._series[symbol] = series
        return series

    def drop(self, symbol: str) -> None:
        """Forget a symbol that is captured no more."""
        self._series.pop(symbol, None)

    def expect(self, cause: Cause, symbols: Iterable[str]) -> None:
        """Name what ids that are missing next will be owed to."""
        for symbol in symbols:
            if symbol in self._series:
                self._series[symbol].coverage.expect(cause)

    def take(self, trades: Sequence[Trade], connection: int) -> Sequence[Trade]:
        """Account for a frame's trades; returns those to publish, also of a symbol that was dropped."""
        series = self._series.get(trades[0].symbol)
        if series is not None and series.continued(trades, connection):
            return trades
        self._begin(trades)
        return [trade for trade in trades if self._is_published(trade, connection)]

    def _is_published(self, trade: Trade, connection: int) -> bool:
        series = self._series.get(trade.symbol)
        verdict = series.take(trade, connection) if series else Verdict.KNOWN
        if verdict is None:
            self.suppressed += 1
        elif verdict is Verdict.RESET:
            self.stopped.append(trade)
        return verdict not in (None, Verdict.RESET)

    def _begin(self, trades: Sequence[Trade]) -> None:
        for symbol in {trade.symbol for trade in trades} & self._series.keys():
            coverage = self._series[symbol].coverage
            own = [trade for trade in trades if trade.symbol == symbol and trade.timestamp >= coverage.since_us]
            ids = [trade.trade_id for trade in own if trade.trade_id > 0]
            if ids and not coverage.begun:
                coverage.begin(min(ids))
