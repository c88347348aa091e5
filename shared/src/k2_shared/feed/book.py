"""The coverage of every symbol, and what of a frame's trades is to be published. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from k2_shared.feed.copies import Copies
from k2_shared.feed.coverage import Coverage, Limits, Settled, Verdict
from k2_shared.feed.ledger import Cause, now_us
from k2_shared.trade import Trade


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a frame's trades: to publish, copies of what another socket brought, and out of their series."""

    publish: Sequence[Trade]
    suppressed: int = 0
    stopped: Sequence[Trade] = ()


@dataclass
class Series:
    """One symbol: its coverage, its recent trades, and what was settled since it was last asked."""

    coverage: Coverage
    copies: Copies
    settled: list[Settled] = field(default_factory=list)
    reset_to: int = 0  # the first id that did not continue the series
    backfill_from: int = 0  # an operator asked for history from this id on

    def take(self, trade: Trade, connection: int) -> Verdict | None:
        """Account for a trade from a socket; None where it is a copy."""
        coverage = self.coverage
        if coverage.stopped_at:
            return Verdict.RESET
        verdict = coverage.offer(trade.trade_id, trade.timestamp, now_us())
        if verdict is Verdict.KNOWN and self.copies.is_copy(trade, connection):
            return None
        if verdict is Verdict.FILLS:
            self.settled += coverage.settle(trade.trade_id, trade.trade_id)
        elif verdict is Verdict.RESET:
            coverage.stopped_at, self.reset_to = now_us(), trade.trade_id
            return verdict
        self.copies.note(trade, connection)
        return verdict


class Book:
    """Every symbol's series; the one place that says whether a trade is published."""

    def __init__(self, copies: int, limits: Limits | None = None) -> None:
        self._copies = copies
        self._limits = limits or Limits()
        self._series: dict[str, Series] = {}

    @property
    def series(self) -> Mapping[str, Series]:
        """The series by canonical symbol."""
        return self._series

    def add(self, symbol: str, coverage: Coverage | None = None) -> Series:
        """Begin a symbol, or go on from a coverage."""
        series = Series(coverage or Coverage(self._limits), Copies(self._copies))
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

    def take(self, trades: Sequence[Trade], connection: int) -> Taken:
        """Sort out a frame's trades; a symbol that was dropped meanwhile is published all the same."""
        series = self._series.get(trades[0].symbol)
        if len(trades) == 1 and series and series.coverage.begun:
            verdict = series.take(trades[0], connection)
            if verdict is Verdict.NEW:
                return Taken(trades)
            return _taken([(trades[0], verdict)])
        return self._take_many(trades, connection)

    def _take_many(self, trades: Sequence[Trade], connection: int) -> Taken:
        self._begin(trades)
        return _taken([(trade, self._take_one(trade, connection)) for trade in trades])

    def _take_one(self, trade: Trade, connection: int) -> Verdict | None:
        series = self._series.get(trade.symbol)
        return series.take(trade, connection) if series else Verdict.KNOWN

    def _begin(self, trades: Sequence[Trade]) -> None:
        for symbol in {trade.symbol for trade in trades} & self._series.keys():
            coverage = self._series[symbol].coverage
            ids = [trade.trade_id for trade in trades if trade.symbol == symbol and trade.trade_id > 0]
            if ids and not coverage.begun:
                coverage.begin(min(ids))


def _taken(judged: Sequence[tuple[Trade, Verdict | None]]) -> Taken:
    return Taken(
        publish=[trade for trade, verdict in judged if verdict not in (None, Verdict.RESET)],
        suppressed=sum(verdict is None for _, verdict in judged),
        stopped=[trade for trade, verdict in judged if verdict is Verdict.RESET],
    )
