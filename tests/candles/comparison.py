"""The check that every candle is exact and says what it lacks."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from shared.tests.candles.oracle import Candle
from tests.candles.expected import Market, Window
from tests.faults.supervisor import until
from tests.warm.oracle import Oracle

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.errors import Unavailable
from k2_support.warm_tables import WarmTables

_FOLLOWED_S = 60.0
_SHOWN = 3
_WIDE = Context(prec=80)
_EXACT = ("open", "high", "low", "close", "volume", "quote_volume")
_VIEW = """
SELECT {timeframe:String}, exchange, symbol, toUnixTimestamp64Micro(window_start),
    toUnixTimestamp64Micro(window_end), toUnixTimestamp64Micro(open_time), toUnixTimestamp64Micro(close_time),
    toString(open), toString(high), toString(low), toString(close), toString(volume), toString(quote_volume),
    toString(vwap), trade_count, missing_trades, toUInt8(is_complete),
    is_closed = (window_end <= now64(6, 'UTC')) AS tells_whether_it_is_closed
FROM {view:Identifier}
"""
_ROWS = """
SELECT timeframe, exchange, symbol, toUnixTimestamp64Micro(window_start), toString(open), toString(high),
    toString(low), toString(close), toString(volume), toString(quote_volume), trade_count,
    toUnixTimestamp64Micro(open_ts), open_id, toUnixTimestamp64Micro(close_ts), close_id, lowest_id, highest_id,
    last_offset
FROM candles
"""
_VIEW_COLUMNS = (
    "window_end", "open_time", "close_time", "open", "high", "low", "close", "volume", "quote_volume", "vwap",
    "trade_count", "missing_trades", "is_complete",
)  # fmt: skip


@dataclass
class Comparison:
    """Compares the candles of a run with what its topics say, as far as the oracle has read them."""

    tables: WarmTables
    oracle: Oracle

    async def said(self) -> list[str]:
        """What of the candles is not as it must be, once it is time enough for them to follow the trades."""
        rows = (self.oracle.rows[table].values() for table in ("gold_trades", "gaps", "dead_letters"))
        market = Market.of(*rows)
        return await self._followed(market) + await asyncio.to_thread(self._stored, market)

    async def _followed(self, market: Market) -> list[str]:
        """What a reader finds of the candles that is not so; they follow the trades, so it may be a moment."""
        wanted, said = market.shown(), list[str]()

        def equal() -> bool:
            said[:] = different(wanted, self._shown())
            return not said

        try:
            await until(lambda: asyncio.to_thread(equal), "every candle", _FOLLOWED_S)
        except Unavailable:
            return said
        return []

    def _shown(self) -> dict[Window, dict[str, Any]]:
        found: dict[Window, dict[str, Any]] = {}
        for each in TIMEFRAMES:
            rows = self.tables.ask(_VIEW, timeframe=each.name, view=f"gold_ohlcv_{each.name}")
            found |= {_window(row): _as_shown(row) for row in rows}
            if len({_window(row) for row in rows}) < len(rows):
                found[each.name, "", "", 0] = {"stands": "twice"}
        return found

    def _stored(self, market: Market) -> list[str]:
        """Whether each row that ever was stored is of all trades of its window up to its offset."""
        wrong = [row for row in self.tables.ask(_ROWS) if not _is_of_its_prefix(row, market)]
        return [f"candles: {len(wrong)} rows are of no prefix of gold, {wrong[0]}"] if wrong else []


def different(wanted: Mapping[Window, Mapping[str, Any]], found: Mapping[Window, Mapping[str, Any]]) -> list[str]:
    """What of the candles is not as it must be."""
    said = [
        *_named("lack", wanted.keys() - found.keys()),
        *_named("have, and no trade is in it,", found.keys() - wanted.keys()),
    ]
    wrong = sorted(at for at in wanted.keys() & found.keys() if wanted[at] != found[at])
    for at in wrong[:_SHOWN]:
        names = [name for name in wanted[at] if found[at].get(name) != wanted[at][name]]
        values = ", ".join(f"{name} {found[at].get(name)} and not {wanted[at][name]}" for name in names)
        said.append(f"candles: {len(wrong)} differ; {at}: {values}")
    return said


def _named(what: str, windows: Iterable[Window]) -> list[str]:
    found = sorted(windows)
    return [f"candles {what} {len(found)}: {', '.join(map(str, found[:_SHOWN]))}"] if found else []


def _window(row: Sequence[Any]) -> Window:
    return row[0], row[1], row[2], row[3]


def _as_shown(row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(_VIEW_COLUMNS, row[4:-1], strict=True))
    closed = {} if row[-1] else {"is_closed": "is not whether its end is past"}
    return {**found, **{name: Decimal(found[name]) for name in (*_EXACT, "vwap")}, **closed}


def _is_of_its_prefix(row: Sequence[Any], market: Market) -> bool:
    window, values = _window(row), row[4:]
    exact = [int(Decimal(value).scaleb(8 if place < 5 else 16, _WIDE)) for place, value in enumerate(values[:6])]
    found = Candle(*exact, *values[6:])
    trades = market.windows.get(window, [])
    return (
        bool(trades)
        and found.last_offset in {each.offset for each in trades}
        and found == market.up_to(window, found.last_offset)
    )
