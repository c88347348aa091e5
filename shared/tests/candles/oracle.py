"""Candles computed anew from trades, in Python's own numbers and calendar: what every fold is compared with."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from k2_shared.candles.rows import CANDLE, Bucket, CandleRows
from k2_shared.candles.trades import GoldTrades
from k2_shared.candles.wide import from_integers, to_integers

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = (1, 5, 15, 30, 60, 1_440)


class GoldTrade(NamedTuple):
    """One trade as gold has it."""

    key: int
    timestamp: int
    trade_id: int
    price: int
    quantity: int
    offset: int


class Candle(NamedTuple):
    """What a candle says, its bucket aside."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trade_count: int
    open_ts: int
    open_id: int
    close_ts: int
    close_id: int
    lowest_id: int
    highest_id: int
    last_offset: int


def columns(trades: Iterable[GoldTrade]) -> GoldTrades:
    """A batch as it is folded."""
    return GoldTrades(*np.array(list(trades), np.int64).reshape(-1, 6).T.copy())


def said(rows: CandleRows) -> dict[Bucket, Candle]:
    """What rows say by their buckets, of which each may be there once."""
    found: dict[Bucket, Candle] = {}
    for row in rows:
        bucket = (int(row["timeframe"]), int(row["key"]), int(row["window_start"]))
        totals = {name: to_integers(row[name].reshape(1, -1))[0] for name in ("volume", "quote_volume")}
        assert bucket not in found
        found[bucket] = Candle(*(totals.get(name) or int(row[name]) for name in Candle._fields))
    return found


def rows_of(candles: dict[Bucket, Candle]) -> CandleRows:
    """Candles as rows."""
    rows = np.zeros(len(candles), CANDLE)
    for row, (bucket, candle) in zip(rows, candles.items(), strict=True):
        row["timeframe"], row["key"], row["window_start"] = bucket
        for name, value in candle._asdict().items():
            row[name] = from_integers([value], len(row[name]))[0] if name.endswith("volume") else value
    return rows


def buckets_of(trade: GoldTrade) -> list[Bucket]:
    """The six candles that a trade belongs to."""
    at = _START + timedelta(microseconds=trade.timestamp)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    minute = (at - midnight) // timedelta(minutes=1)
    starts = [midnight + timedelta(minutes=minute - minute % width) for width in _MINUTES]
    return [(place, trade.key, (start - _START) // timedelta(microseconds=1)) for place, start in enumerate(starts)]


def candle(trades: Iterable[GoldTrade]) -> Candle:
    """The candle of these trades, each of them once, in any order."""
    of = sorted(set(trades), key=lambda trade: (trade.timestamp, trade.trade_id))
    prices = [trade.price for trade in of]
    return Candle(
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(trade.quantity for trade in of),
        quote_volume=sum(trade.price * trade.quantity for trade in of),
        trade_count=len(of),
        open_ts=of[0].timestamp,
        open_id=of[0].trade_id,
        close_ts=of[-1].timestamp,
        close_id=of[-1].trade_id,
        lowest_id=min(trade.trade_id for trade in of),
        highest_id=max(trade.trade_id for trade in of),
        last_offset=max(trade.offset for trade in of),
    )


def candles(trades: Iterable[GoldTrade]) -> dict[Bucket, Candle]:
    """Every candle of these trades, in six timeframes."""
    found: dict[Bucket, list[GoldTrade]] = {}
    for trade in trades:
        for bucket in buckets_of(trade):
            found.setdefault(bucket, []).append(trade)
    return {bucket: candle(of) for bucket, of in found.items()}
