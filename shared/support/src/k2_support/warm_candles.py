"""The candles that a reader of the warm tier finds, and what they must be: recomputed from all trades, another way."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from k2_shared.candles.completeness import IdRange, missing_trades
from k2_shared.candles.rows import CANDLE
from k2_shared.candles.timeframes import TIMEFRAMES, Timeframe
from k2_support.warm_tables import Row, WarmTables

Pair = tuple[str, str]
Candle = dict[str, Any]
"""A candle by its columns: times in microseconds, decimals as they are written out."""

_SHOWN = """
SELECT exchange, symbol, toUnixTimestamp64Micro(window_start), toUnixTimestamp64Micro(window_end),
    toUnixTimestamp64Micro(open_time), toString(open), toString(high), toString(low), toString(close),
    toUnixTimestamp64Micro(close_time), toString(volume), toString(quote_volume), trade_count, is_complete,
    missing_trades
FROM {view:Identifier} ORDER BY 1, 2, 3
"""
_RECOMPUTED = """
SELECT exchange, symbol, intDiv(toUnixTimestamp64Micro(timestamp), {width:Int64}) * {width:Int64} AS begin,
    begin + {width:Int64}, min(toUnixTimestamp64Micro(timestamp)),
    toString(argMin(price, (timestamp, source_sequence))), toString(max(price)), toString(min(price)),
    toString(argMax(price, (timestamp, source_sequence))), max(toUnixTimestamp64Micro(timestamp)),
    toString(sum(toDecimal128(quantity, 8))), toString(sum(toDecimal256(price, 8) * toDecimal256(quantity, 8))),
    count(), min(source_sequence), max(source_sequence)
FROM gold_trades FINAL GROUP BY exchange, symbol, begin ORDER BY 1, 2, 3
"""
_COLUMNS = (
    "exchange",
    "symbol",
    "window_start",
    "window_end",
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "close_time",
    "volume",
    "quote_volume",
    "trade_count",
)


def shown(tables: WarmTables, timeframe: Timeframe) -> list[Candle]:
    """Every candle of a timeframe, as its view gives it to a reader, by symbol and window."""
    rows = tables.ask(_SHOWN, view=f"gold_ohlcv_{timeframe.name}")
    return [dict(zip((*_COLUMNS, "is_complete", "missing_trades"), row, strict=True)) for row in rows]


def recomputed(
    tables: WarmTables, timeframe: Timeframe, missing: Mapping[Pair, list[IdRange]] | None = None
) -> list[Candle]:
    """Every candle of a timeframe, from the trades that stand in gold's table, where these ids are missing."""
    rows = tables.ask(_RECOMPUTED, width=timeframe.width_us)
    found = list[Candle]()
    for pair, group in groupby(rows, lambda row: (row[0], row[1])):
        of = list(group)
        lacking = _missing([(row[-2], row[-1]) for row in of], (missing or {}).get(pair, []))
        for row, number in zip(of, lacking, strict=True):
            candle = dict(zip(_COLUMNS, row, strict=False))
            found.append({**candle, "is_complete": int(not number), "missing_trades": number})
    return found


def candles_are(tables: WarmTables, missing: Mapping[Pair, list[IdRange]] | None = None) -> bool:
    """Whether every candle of every timeframe is what a recomputation says."""
    return all(shown(tables, each) == recomputed(tables, each, missing) for each in TIMEFRAMES)


def assert_candles(tables: WarmTables, missing: Mapping[Pair, list[IdRange]] | None = None) -> None:
    """Every candle of every timeframe is what a recomputation says, to the last digit."""
    for timeframe in TIMEFRAMES:
        assert shown(tables, timeframe) == recomputed(tables, timeframe, missing), timeframe.name


def missing_ids(ledger: Iterable[Row], letters: Iterable[Row], gold: Iterable[Row]) -> dict[Pair, list[IdRange]]:
    """Which ids are missing by the rows of these tables, in the order of their places: each as a range."""
    states: dict[tuple[str, str, int], str] = {}
    for row in ledger:
        pair = (row["exchange"].decode(), row["symbol"].decode())
        states.update(((*pair, number), row["state"]) for number in range(row["first_id"], row["last_id"] + 1))
    named = {at for at, state in states.items() if state != "filled"}
    for row in letters:
        exchange, _, symbol = row["message_key"].decode().partition(":")
        named |= {(exchange, symbol, row["source_sequence"])} if row["source_sequence"] is not None else set()
    named -= {(row["exchange"].decode(), row["symbol"].decode(), row["source_sequence"]) for row in gold}
    found: dict[Pair, list[IdRange]] = {}
    for exchange, symbol, number in named:
        found.setdefault((exchange, symbol), []).append((number, number))
    return found


def _missing(ids: list[IdRange], missing: list[IdRange]) -> list[int]:
    candles = np.zeros(len(ids), CANDLE)
    candles["lowest_id"], candles["highest_id"] = np.array(ids, np.int64).T
    return [int(each) for each in missing_trades(candles, missing)]
