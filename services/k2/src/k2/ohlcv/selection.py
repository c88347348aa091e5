"""Which candles are meant, as queries of the warm tier or of both. Pure."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from k2.sql.symbol_times import SymbolTimes
from k2_shared.candles.timeframes import TIMEFRAMES, Timeframe
from k2_shared.core.errors import ConfigError

LAST = 20
VIEW = "gold_ohlcv_{}"
ALL = "all_{}"
"""The view over both tiers."""
LONGEST_KEPT = ALL.format(VIEW.format(TIMEFRAMES[-1].name))
"""The view that knows a symbol for the longest time."""
FOLLOWED = 1_440
"""The newest candles of an exchange that are looked at again for changes, at most."""
_COLUMNS = (
    "exchange, symbol, window_start, window_end, open_time, open, high, low, close, close_time, volume, quote_volume, "
    "vwap, trade_count, toBool(is_closed) AS is_closed, toBool(is_complete) AS is_complete, missing_trades"
)
_OWN = (
    "exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume, "
    "CAST(trade_count, 'Nullable(Int64)') AS trade_count, toBool(is_complete) AS is_complete"
)
_DERIVED = (
    "window_end <= now64(6, 'UTC') AS is_closed, CAST(quote_volume / volume, 'Nullable(Decimal(38, 16))') AS vwap"
)
_FORWARD = "ORDER BY window_start, exchange"
_NAMES = [timeframe.name for timeframe in TIMEFRAMES]
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timeframe_of(text: str) -> Timeframe:
    """A timeframe by its name.

    Raises:
        ConfigError: there is none of that name; says which there are.
    """
    if text in _NAMES:
        return TIMEFRAMES[_NAMES.index(text)]
    raise ConfigError(f"{text!r} is no timeframe: it is {', '.join(_NAMES[:-1])} or {_NAMES[-1]}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Candles of a symbol whose windows have a part of a time; so many of each exchange where that is said.

    They are the warm tier's, or both tiers': cold says of a candle that lacks trades not how many.
    """

    of: SymbolTimes
    timeframe: Timeframe
    count: int | None
    in_both_tiers: bool = False

    @property
    def view(self) -> str:
        """The view that has the candles of the timeframe."""
        return VIEW.format(self.timeframe.name)

    @property
    def sql(self) -> str:
        """Candles in the order of their windows: from the start on, or without one the last."""
        if self.of.start is None:
            return self._last(self.count or LAST)
        limit = f" LIMIT {self.count} BY exchange" if self.count else ""
        return f"{self._source} {_FORWARD}{limit}"

    def since(self, start: datetime) -> "Selection":
        """The candles of windows from there on."""
        return replace(self, of=replace(self.of, start=start), in_both_tiers=False)

    @property
    def newest(self) -> str:
        """The last candles alone, as many as are looked at again for changes."""
        return replace(self, in_both_tiers=False)._last(FOLLOWED)

    @property
    def enough(self) -> str:
        """Whether the warm tier has as many of each exchange as the last that are meant."""
        counts = f"SELECT count() AS found FROM {self.view} WHERE {self._condition} GROUP BY exchange"  # noqa: S608
        return f"SELECT count() > 0 AND min(found) >= {self.count or LAST} FROM ({counts})"  # noqa: S608

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the queries."""
        return self._windows.parameters

    def _last(self, count: int) -> str:
        return f"SELECT * FROM ({self._source} ORDER BY window_start DESC LIMIT {count} BY exchange) {_FORWARD}"  # noqa: S608

    @property
    def _source(self) -> str:
        source = f"({self._both})" if self.in_both_tiers else f"{self.view} WHERE {self._condition}"
        return f"SELECT {_COLUMNS} FROM {source}"  # noqa: S608  # values are parameters

    @property
    def _condition(self) -> str:
        return self._windows.condition("window_start")

    @property
    def _both(self) -> str:
        """Each candle once: the one that knows more trades, and of two that know as many the warm tier's."""
        tiers = (
            f"SELECT {_OWN}, {missing} AS missing_trades, {number} AS tier FROM {relation} WHERE {self._condition}"  # noqa: S608
            for number, (relation, missing) in enumerate(
                ((self.view, "missing_trades"), (ALL.format(self.view), "if(is_complete, 0, NULL)"))
            )
        )
        minutes = self.timeframe.width_us // 60_000_000
        return (
            f"SELECT *, addMinutes(window_start, {minutes}) AS window_end, {_DERIVED} "  # noqa: S608
            f"FROM ({' UNION ALL '.join(tiers)}) "
            "ORDER BY trade_count DESC, tier LIMIT 1 BY exchange, symbol, window_start"
        )

    @property
    def _windows(self) -> SymbolTimes:
        """The time from the begin of the window on in which it starts."""
        start, width = self.of.start, timedelta(microseconds=self.timeframe.width_us)
        return replace(self.of, start=start and start - (start - _UNIX_EPOCH) % width)
