"""``k2 ohlcv`` as a person uses it, on the real ClickHouse."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests.candle_rows import AT, candle, insert_candles, insert_missing
from typer.testing import CliRunner, Result

from k2.main import app
from k2.ohlcv.selection import LAST, Selection, timeframe_of
from k2.sql.symbol_times import SymbolTimes
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.kafka.topics import Names

KRAKEN = [candle(number) for number in range(30)]
BINANCE = [candle(number, "BINANCE") for number in (5, 31)]
NEWER = candle(3, price=Decimal("9999999999.99999999"), version=1)
LONGER = [candle(0, timeframe=each.name, symbol="ETH/USD") for each in TIMEFRAMES]
DAYS = [candle(0, exchange, timeframe="1d") for exchange in ("KRAKEN", "BINANCE")]


@pytest.fixture
def doubled(warm: Client) -> None:
    """Candles of two exchanges and symbols; one of them has a row that knows more."""
    insert_candles(warm, [*KRAKEN, *LONGER, *DAYS], [NEWER, *BINANCE])


def k2(names: Names, *words: str, code: int = 0, **environment: str) -> Result:
    """Run ``k2 ohlcv``; it must end with that code."""
    done = CliRunner().invoke(app, ["ohlcv", *words], env={"K2_PREFIX": names.prefix, **environment})
    assert done.exit_code == code, done.output + repr(done.exception)
    return done


def rows(names: Names, *words: str) -> list[dict[str, Any]]:
    """The candles that a command prints."""
    return [json.loads(line) for line in k2(names, *words, "--json").stdout.splitlines()]


def windows(names: Names, *words: str) -> list[tuple[str, int]]:
    """Their exchanges, and the numbers of their windows."""
    return [(row["exchange"], (row["trade_count"] and _number(row["window_start"]))) for row in rows(names, *words)]


def _number(window_start: str) -> int:
    return next(number for number in range(40) if _iso(number) == window_start)


def _iso(number: int) -> str:
    return f"{AT + timedelta(minutes=number):%Y-%m-%dT%H:%M:%S.%f}+00:00"


@pytest.mark.usefixtures("doubled")
def test_the_last_candles_come_in_the_order_of_their_windows(names: Names) -> None:
    """Each once; so many of each exchange; those whose windows have a part of a time."""
    kraken = [("KRAKEN", number) for number in range(30)]
    assert windows(names, "KRAKEN:BTC/USD", "1m") == kraken[-LAST:]
    assert windows(names, "BTC/USD", "1m", "-n", "2") == [("BINANCE", 5), *kraken[-2:], ("BINANCE", 31)]
    assert windows(names, "BTC/USD", "1m", "--to", _iso(6), "-n", "1") == [("BINANCE", 5), ("KRAKEN", 5)]
    within = (AT + timedelta(minutes=4, seconds=59)).isoformat()
    assert windows(names, "BTC/USD", "1m", "--from", within, "--to", _iso(6)) == [
        kraken[4], ("BINANCE", 5), kraken[5],
    ]  # fmt: skip
    assert windows(names, "BTC/USD", "1m", "--from", within, "-n", "1") == [kraken[4], ("BINANCE", 5)]


@pytest.mark.usefixtures("doubled")
def test_a_candle_has_every_digit_and_its_row_that_knows_most(names: Names) -> None:
    """In JSON, with the names of its view; in each timeframe."""
    (found,) = rows(names, "KRAKEN:BTC/USD", "1m", "--from", _iso(3), "-n", "1")
    assert found == {
        "exchange": "KRAKEN",
        "symbol": "BTC/USD",
        "window_start": _iso(3),
        "window_end": _iso(4),
        "open_time": "2026-11-26T23:00:01.000000+00:00",
        "open": "9999999999.99999998",
        "high": "9999999999.99999999",
        "low": "9999999999.99999998",
        "close": "9999999999.99999999",
        "close_time": "2026-11-26T23:00:02.000000+00:00",
        "volume": "0.00000003",
        "quote_volume": "299.9999999999999996",
        "vwap": "9999999999.9999999866666666",
        "trade_count": 2,
        "is_closed": True,
        "is_complete": True,
        "missing_trades": 0,
    }
    for each in TIMEFRAMES:
        (longer,) = rows(names, "ETH/USD", each.name)
        assert longer["window_start"] == LONGER[0].window_start.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def test_incomplete_candles_are_marked(warm: Client, names: Names) -> None:
    """In a table, in a chart with a legend, and for machines; both neighbours of what is missing are incomplete."""
    insert_candles(warm, KRAKEN[:4], DAYS)
    insert_missing(warm, 13, 17)
    table = k2(names, "BTC/USD", "1m").stdout.splitlines()
    assert [line.rstrip().split("  ")[-1].strip() for line in table] == [
        "state",
        "complete",
        "5 missing",
        "5 missing",
        "complete",
    ]
    *chart, legend = k2(names, "BTC/USD", "1m", "--chart").stdout.splitlines()
    assert "   ?  ?" in [line.rstrip() for line in chart]
    assert legend == "┃ rises, █ falls; ? is incomplete: trades of it are known to be missing"
    assert [row["missing_trades"] for row in rows(names, "BTC/USD", "1m")] == [0, 5, 5, 0]
    insert_missing(warm, 1, 0)
    assert "missing" not in k2(names, "BTC/USD", "1m").stdout


@pytest.mark.usefixtures("doubled")
def test_every_form_has_the_same_candles(names: Names, tmp_path: Path) -> None:
    """CSV with its names, and a Parquet file with the view's own types."""
    words = ("KRAKEN:BTC/USD", "1m", "-n", "3")
    found = list(csv.DictReader(k2(names, *words, "--csv").stdout.splitlines()))
    plain = rows(names, *words)
    assert [row["vwap"] for row in found] == [row["vwap"] for row in plain]
    assert [row["is_complete"] for row in found] == ["true"] * 3
    k2(names, *words, "--parquet", str(tmp_path / "candles.parquet"))
    table = pq.read_table(tmp_path / "candles.parquet")
    assert table.column_names == list(plain[0])
    assert [f"{value:f}" for value in table["quote_volume"].to_pylist()] == [row["quote_volume"] for row in plain]
    assert {str(table.schema.field(name).type) for name in ("quote_volume", "is_closed")} == {
        "decimal256(76, 16)", "bool",
    }  # fmt: skip


@pytest.mark.usefixtures("doubled")
def test_a_chart_of_what_was_asked_for_says_what_does_not_fit(names: Names) -> None:
    """Of each exchange; without a wish as many are drawn as fit, and nothing is to be said."""
    drawn = k2(names, "BTC/USD", "1m", "--chart")
    assert [line.partition(",")[0] for line in drawn.stdout.splitlines() if "UTC" in line] == [
        "BINANCE:BTC/USD  2 candles of 1m", "KRAKEN:BTC/USD  30 candles of 1m",
    ]  # fmt: skip
    assert drawn.stderr == ""


@pytest.mark.usefixtures("doubled")
def test_a_symbol_that_has_no_candle_is_told_with_those_near_it(names: Names) -> None:
    """And a time without candles is no error."""
    for asked, said in (
        ("BTC/USDT", "gold has no candle of BTC/USDT; near it: BINANCE:BTC/USD, KRAKEN:BTC/USD"),
        ("BINANCE:ETH/USD", "gold has no candle of BINANCE:ETH/USD; near it: KRAKEN:ETH/USD"),
    ):
        assert k2(names, asked, "1m", code=2).stderr == f"k2: {said}\n"
    for form in ("--csv", "--chart"):
        done = k2(names, "BTC/USD", "1m", "--from", "2027-01-01", form)
        assert (done.stdout, done.stderr) == ("", "no such candle\n")


@pytest.mark.parametrize("text", ["KRAKEN:BTC/USD", "BTC/USD"])
@pytest.mark.usefixtures("doubled")
def test_candles_are_found_by_the_tables_key(warm: Client, text: str) -> None:
    """Of its parts and granules those of the symbol and the timeframe alone are read."""
    of = SymbolTimes.parse(text, "2026-11-26T22:00Z", None, AT)
    wanted = Selection(of, timeframe_of("1m"), None)
    asked = warm.query(f"EXPLAIN indexes = 1 {wanted.sql}", wanted.parameters).result_rows
    lines = [line.strip("│ ") for (line,) in asked]
    keys = [lines[at + 2 : at + 6] for at, line in enumerate(lines) if line == "PrimaryKey"]
    assert ["timeframe", "exchange", "symbol", "window_start"] in keys


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["BTC/USD", "2m"], "'2m' is no timeframe: it is 1m, 5m, 15m, 30m, 1h or 1d"),
        (["BTCUSD", "1m"], "'BTCUSD' is not a symbol of an exchange"),
        (["BTC/USD", "1m", "--from", "noon"], "--from 'noon' is no time: it is 2026-11-26T12:00:00Z or an age"),
        (["BTC/USD", "1m", "--from", "1m", "--to", "2m"], "--to 2m is not after --from 1m"),
        (["BTC/USD", "1m", "--chart", "--json"], "give one of --chart, --json, --csv and --parquet"),
        (["BTC/USD", "1m", "--json", "--csv"], "give one of --json, --csv and --parquet"),
        (["BTC/USD", "1m", "--follow", "--to", "1m"], "--follow goes on with what comes: leave --to out"),
        (["BTC/USD", "1m", "-f", "--parquet", "some"], "--follow has no end, and a Parquet file is there when it is"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_server_is(words: list[str], said: str) -> None:
    """In one line."""
    (line,) = k2(Names(""), *words, code=2, CLICKHOUSE_URL="http://127.0.0.1:1").stderr.splitlines()
    assert said in line
