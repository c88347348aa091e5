"""What the candles must be, by the topics' records alone: in Python's integers, a definition at a time. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from shared.tests.candles.oracle import Candle, GoldTrade, buckets_of, candle

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_support.warm_tables import Row

Pair = tuple[str, str]
Window = tuple[str, str, str, int]
"""A timeframe, a venue, a symbol, and where the window begins, in microseconds since the epoch."""
_UNIT = 10**8


@dataclass(frozen=True)
class Market:
    """Gold's trades by symbol, each once, and the ids that are known to be missing."""

    trades: Mapping[Pair, list[GoldTrade]]
    missing: Mapping[Pair, set[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, gold: Iterable[Row], ledger: Iterable[Row], letters: Iterable[Row]) -> "Market":
        """That of the rows that follow from the topics: the ledger's last word on an id counts, unless gold has it."""
        trades: dict[Pair, list[GoldTrade]] = defaultdict(list)
        for row in gold:
            trades[_pair(row)].append(_trade(row))
        states: dict[tuple[Pair, int], str] = {}
        for row in sorted(ledger, key=lambda row: row["kafka_offset"]):
            states |= {(_pair(row), each): row["state"] for each in range(row["first_id"], row["last_id"] + 1)}
        missing: dict[Pair, set[int]] = defaultdict(set)
        for (pair, each), state in states.items():
            missing[pair] |= {each} if state != "filled" else set()
        for row in letters:
            venue, _, symbol = row["message_key"].decode().partition(":")
            missing[venue, symbol] |= {row["source_sequence"]} - {None}
        return cls(trades, {pair: ids - {each.trade_id for each in trades[pair]} for pair, ids in missing.items()})

    @cached_property
    def windows(self) -> dict[Window, list[GoldTrade]]:
        """The trades of each window that has one."""
        found: dict[Window, list[GoldTrade]] = defaultdict(list)
        for pair, trades in self.trades.items():
            for trade in trades:
                for place, _, start in buckets_of(trade):
                    found[(TIMEFRAMES[place].name, *pair, start)].append(trade)
        return found

    def shown(self) -> dict[Window, dict[str, Any]]:
        """Every candle as its view must show it: times in microseconds, decimals as they are."""
        widths = {timeframe.name: timeframe.width_us for timeframe in TIMEFRAMES}
        return {
            window: {**_shown(candle(trades)), "window_end": window[3] + widths[window[0]], **self._lacks(window)}
            for window, trades in self.windows.items()
        }

    def up_to(self, window: Window, offset: int) -> Candle:
        """The candle of a window's trades up to an offset."""
        return candle(trade for trade in self.windows[window] if trade.offset <= offset)

    def _lacks(self, window: Window) -> dict[str, int]:
        """The missing ids between the last trade before the window and the first one after it."""
        timeframe, pair, start = window[0], window[1:3], window[3]
        end = start + next(each.width_us for each in TIMEFRAMES if each.name == timeframe)
        times, ids, missing = self._by_time[pair]
        before, after = bisect_left(times, start), bisect_left(times, end)
        low = ids[before - 1] if before else 0
        high = ids[after] if after < len(ids) else 2**63
        count = bisect_left(missing, high) - bisect_right(missing, low)
        return {"missing_trades": count, "is_complete": int(count == 0)}

    @cached_property
    def _by_time(self) -> dict[Pair, tuple[list[int], list[int], list[int]]]:
        """The times of a symbol's trades, their ids in the same order, and its missing ids."""
        found = {}
        for pair, trades in self.trades.items():
            ordered = sorted((trade.timestamp, trade.trade_id) for trade in trades)
            missing = sorted(self.missing.get(pair, ()))
            found[pair] = [each[0] for each in ordered], [each[1] for each in ordered], missing
        return found


def _shown(found: Candle) -> dict[str, Any]:
    exact = {name: Decimal(getattr(found, name)).scaleb(-8) for name in ("open", "high", "low", "close")}
    volume, quote_volume = _scaled(found.volume, 8), _scaled(found.quote_volume, 16)
    return {
        **exact,
        "volume": volume,
        "quote_volume": quote_volume,
        "vwap": _scaled(found.quote_volume * _UNIT // found.volume, 16),
        "open_time": found.open_ts,
        "close_time": found.close_ts,
        "trade_count": found.trade_count,
    }


def _scaled(unscaled: int, digits: int) -> Decimal:
    """An unscaled number as a decimal, exact however many digits it has."""
    return Decimal((0, tuple(map(int, str(unscaled))), -digits))


def _pair(row: Row) -> Pair:
    return row["exchange"].decode(), row["symbol"].decode()


def _trade(row: Row) -> GoldTrade:
    price, quantity = (int(row[name].scaleb(8)) for name in ("price", "quantity"))
    return GoldTrade(0, row["timestamp"], row["source_sequence"], price, quantity, row["kafka_offset"])
