"""Rows of the warm tier's candles, and the trades that they are known to lack."""

from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from clickhouse_connect.driver.client import Client

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.warm import migrations

AT = datetime(2026, 11, 26, 22, 57, tzinfo=UTC)
WIDTHS = {timeframe.name: timedelta(microseconds=timeframe.width_us) for timeframe in TIMEFRAMES}


@dataclass(frozen=True)
class CandleRow:
    """A row of the table of candles."""

    timeframe: str
    exchange: str
    symbol: str
    window_start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int
    open_ts: datetime
    open_id: int
    close_ts: datetime
    close_id: int
    lowest_id: int
    highest_id: int
    kafka_partition: int
    last_offset: int
    written_at: datetime


def candle(
    number: int,
    exchange: str = "KRAKEN",
    symbol: str = "BTC/USD",
    timeframe: str = "1m",
    price: Decimal = Decimal("105435.8"),
    at: datetime = AT,
    version: int = 0,
) -> CandleRow:
    """The candle of a window by its number: two trades, of ids 10 apart from those of the next one.

    They were made a moment ago, so that no TTL removes it.
    """
    start, low, volume = at + number * WIDTHS[timeframe], price - Decimal("0.00000001"), Decimal("0.00000003")
    first, last = 10 * number + 1, 10 * number + 2
    prices, opened, closed = (low, price, low, price), start + timedelta(seconds=1), start + timedelta(seconds=2)
    quote_volume = low + 2 * price
    return CandleRow(
        timeframe, exchange, symbol, start, *prices, volume, quote_volume * Decimal("0.00000001"), 2, opened, first,
        closed, last, first, last, 0, 2 * number + version, datetime.now(UTC),
    )  # fmt: skip


def insert_candles(warm: Client, *parts: list[CandleRow]) -> None:
    """Make the tables, and insert rows, each list of them as a part that nothing merges with another."""
    migrations.apply(warm)
    warm.command("SYSTEM STOP MERGES candles")
    names = [each.name for each in fields(CandleRow)]
    for rows in parts:
        warm.insert("candles", [astuple(row) for row in rows], column_names=names)


def insert_missing(
    warm: Client, first_id: int, last_id: int, exchange: str = "KRAKEN", symbol: str = "BTC/USD"
) -> None:
    """Say that these ids of a symbol are missing now, and no others; none where they are empty."""
    firsts, lasts = ([first_id], [last_id]) if first_id <= last_id else ([], [])
    warm.insert("missing_ids", [(exchange, symbol, firsts, lasts, datetime.now(UTC))])
