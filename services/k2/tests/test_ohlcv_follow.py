"""``k2 ohlcv --follow``: what is new and what has changed, on the real ClickHouse."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests import candles
from services.k2.tests.candle_rows import candle, insert_candles, insert_missing

from k2.ohlcv.following import changes
from k2.ohlcv.reading import CandleRows
from k2.ohlcv.selection import Selection, timeframe_of
from k2.ohlcv.view import CandleTable
from k2.sql.limits import QueryLimits
from k2.sql.symbol_times import SymbolTimes
from k2.sql.warm_reader import WarmReader, warm_reader
from k2_shared.kafka.topics import Names

WANTED = Selection(SymbolTimes(("KRAKEN",), "BTC/USD", None, None), timeframe_of("1m"), 2)


@pytest.fixture
def reader(warm: Client, names: Names, monkeypatch: pytest.MonkeyPatch) -> Iterator[WarmReader]:
    """Who may only read; there are candles of five windows."""
    insert_candles(warm, [candle(number) for number in range(5)])
    monkeypatch.setenv("K2_PREFIX", names.prefix)
    with warm_reader(QueryLimits()) as found:
        yield found


def test_what_is_new_and_what_changes_comes_once(reader: WarmReader, warm: Client) -> None:
    """Of the windows that were shown and of later ones: a late trade, ids that are missing, and such that came."""
    first = CandleRows.read(reader, WANTED.sql, WANTED.parameters)
    shown = [each.window_start for each in first.candles]
    following = changes(reader, WANTED, first)

    def come() -> list[tuple[int, int, str]]:
        found = next(following)
        return [
            ((each.window_start - shown[0]) // 60_000_000, each.missing_trades, f"{each.close:f}")
            for each in found.changed.candles
        ]

    insert_candles(warm, [candle(5)])
    assert come() == [(2, 0, "105435.80000000")]
    insert_candles(warm, [candle(4, price=Decimal(7), version=1), candle(0, price=Decimal(7), version=1)])
    assert come() == [(1, 0, "7.00000000")]
    insert_missing(warm, 44, 46)
    assert come() == [(1, 3, "7.00000000"), (2, 3, "105435.80000000")]
    insert_missing(warm, 1, 0)
    assert come() == [(1, 0, "7.00000000"), (2, 0, "105435.80000000")]


def test_where_nothing_is_there_yet_all_that_comes_is_new(warm: Client, reader: WarmReader) -> None:
    """Also of windows of long ago."""
    none = Selection(SymbolTimes(("BINANCE",), "BTC/USD", None, None), timeframe_of("1m"), None)
    first = CandleRows.read(reader, none.sql, none.parameters)
    following = changes(reader, none, first)
    insert_candles(warm, [candle(-9_000, "BINANCE"), candle(3, "BINANCE")])
    assert [first.rows, len(next(following).changed.rows)] == [[], 2]


def test_lines_that_come_later_stand_under_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """With the titles once, and with the digits of those before them."""
    table = CandleTable()
    table.print([candles.candle(0, (1, "2.25", "0.5", "1.5"), "0.125")])
    table.print([candles.candle(1, (1, 2, 1, 2), 7, missing=3, is_closed=False)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [
            "window,",
            "UTC",
            "exchange",
            "symbol",
            *["open", "high", "low", "close", "volume", "quote_volume", "vwap", "trades", "state"],
        ],
        [
            "2026-11-26",
            "22:57",
            "KRAKEN",
            "BTC/USD",
            *["1.00", "2.25", "0.50", "1.50", "0.125", "0.1875", "1.5", "2", "complete"],
        ],
        [
            "2026-11-26",
            "22:58",
            "KRAKEN",
            "BTC/USD",
            *["1.00", "2.00", "1.00", "2.00", "7.000", "14.0000", "2.0", "2", "open,", "3", "missing"],
        ],
    ]
