"""``k2 trades`` as a person uses it, on the real ClickHouse."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests.gold_rows import AT, gold, insert, k2

from k2.sql.symbol_times import SymbolTimes
from k2.trades.selection import LAST, Selection
from k2_shared.kafka.topics import Names

KRAKEN = [gold(number, at=AT + timedelta(microseconds=number)) for number in range(30)]
BINANCE = [gold(number, "BINANCE", at=AT + timedelta(microseconds=number)) for number in (5, 31)]
OTHER = [gold(number, "BINANCE", "ETH/USDT") for number in range(2)]
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def doubled(warm: Client) -> None:
    """Trades of two symbols and exchanges, those of Kraken inserted twice."""
    insert(warm, KRAKEN, KRAKEN, [*BINANCE, *OTHER])


def ids(names: Names, *words: str) -> list[tuple[str, int]]:
    """The trades that a command prints."""
    rows = [json.loads(line) for line in k2(names, "trades", *words, "--json").stdout.splitlines()]
    return [(row["exchange"], int(row["trade_id"])) for row in rows]


@pytest.mark.usefixtures("doubled")
def test_the_last_trades_come_in_the_order_of_their_times(names: Names) -> None:
    """Each once; of one exchange or all; before a time, or from it on."""
    kraken = [("KRAKEN", number) for number in range(30)]
    assert ids(names, "KRAKEN:BTC/USD") == kraken[-LAST:]
    assert ids(names, "BTC/USD", "-n", "2") == [kraken[-1], ("BINANCE", 31)]
    assert ids(names, "BTC/USD", "--to", f"{KRAKEN[6].timestamp.isoformat()}", "-n", "3") == [
        kraken[4], ("BINANCE", 5), kraken[5],
    ]  # fmt: skip
    since = KRAKEN[3].timestamp.isoformat()
    assert ids(names, "KRAKEN:BTC/USD", "--from", since) == kraken[3:]
    assert ids(names, "KRAKEN:BTC/USD", "--from", since, "-n", "2") == kraken[3:5]
    assert ids(names, "KRAKEN:BTC/USD", "--from", since, "--to", KRAKEN[5].timestamp.isoformat()) == kraken[3:5]


@pytest.mark.usefixtures("doubled")
def test_a_table_of_trades_has_every_digit(names: Names) -> None:
    """Time, price, quantity and what both make."""
    _, line = k2(names, "trades", "KRAKEN:BTC/USD", "-n", "1").stdout.splitlines()
    assert line.split() == [
        "2026-11-26T22:57:06.061030+00:00", "KRAKEN", "BTC/USD", "105435.80000000", "0.00000001", "0.0010543580000000",
        "SELL", "29",
    ]  # fmt: skip


@pytest.mark.usefixtures("doubled")
def test_a_symbol_that_gold_does_not_have_is_told_with_those_near_it(names: Names) -> None:
    """Of other exchanges too; and a time without trades is no error."""
    for asked, said in (
        ("BTC/USDT", "gold has no trade of BTC/USDT; near it: BINANCE:BTC/USD, KRAKEN:BTC/USD"),
        ("KRAKEN:ETH/USDT", "gold has no trade of KRAKEN:ETH/USDT; near it: BINANCE:ETH/USDT"),
        ("NONE/GBP", "gold has no trade of NONE/GBP; it has 3 symbols, and none near it"),
    ):
        assert k2(names, "trades", asked, code=2).stderr == f"k2: {said}\n"
    done = k2(names, "trades", "BTC/USD", "--from", "2027-01-01", "--csv")
    assert (done.stdout, done.stderr) == ("", "no such trade\n")


@pytest.mark.parametrize("text", ["KRAKEN:BTC/USD", "BTC/USD"])
@pytest.mark.parametrize("start", [None, "2026-11-26T22:00Z"])
@pytest.mark.usefixtures("doubled")
def test_trades_are_found_by_the_tables_key(warm: Client, text: str, start: str | None) -> None:
    """Of its parts and granules those of the symbol alone are read, in any way to ask."""
    of = SymbolTimes.parse(text, start, "2026-11-26T23:00Z", NOW)
    asked = f"EXPLAIN indexes = 1 {Selection(of, None).sql}"
    lines = [line.strip("│ ") for (line,) in warm.query(asked, of.parameters).result_rows]
    key = lines[lines.index("PrimaryKey") :]
    assert key[2:5] == ["exchange", "symbol", "timestamp"]
    assert any("FINAL: 1" in line for line in lines)


def test_the_last_trades_are_each_once_however_often_they_stand_there(warm: Client, names: Names) -> None:
    """Where most of the newest rows are repeats, and where the last day has too few trades of the symbol."""
    days = [gold(number, at=AT - timedelta(days=10 - number)) for number in range(10)]
    insert(warm, *[days] * 6)
    assert ids(names, "BTC/USD", "-n", "1") == [("KRAKEN", 9)]
    assert ids(names, "BTC/USD", "-n", "9") == [("KRAKEN", number) for number in range(1, 10)]
    before = days[5].timestamp.isoformat()
    assert ids(names, "BTC/USD", "-n", "3", "--to", before) == [("KRAKEN", number) for number in (2, 3, 4)]


@pytest.mark.usefixtures("doubled")
def test_the_last_trades_are_read_without_the_days_before(warm: Client) -> None:
    """Of a symbol that has traded since, parts of other days are not looked into."""
    insert(warm, [gold(number, at=AT - timedelta(days=1 + number)) for number in range(20)])
    of = SymbolTimes.parse("KRAKEN:BTC/USD", None, None, NOW)
    lines = [line for (line,) in warm.query(f"EXPLAIN {Selection(of, 10).sql}", of.parameters).result_rows]
    assert re.findall(r"Parts: (\d+) ", "".join(lines)) == ["2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["BTCUSD"], "'BTCUSD' is not a symbol of an exchange"),
        (["COINBASE:BTC/USD"], "'COINBASE:BTC/USD' is not a symbol of an exchange"),
        (["BTC/USD", "--from", "noon"], "--from 'noon' is no time: it is 2026-11-26T12:00:00Z or an age"),
        (["BTC/USD", "--from", "1m", "--to", "2m"], "--to 2m is not after --from 1m"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_server_is(words: list[str], said: str) -> None:
    """In one line."""
    (line,) = k2(Names(""), "trades", *words, code=2, CLICKHOUSE_URL="http://127.0.0.1:1").stderr.splitlines()
    assert said in line
