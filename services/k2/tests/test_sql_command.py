"""``k2 sql`` as a person uses it, on the real ClickHouse: every digit comes out, once, and nothing is changed."""

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests.gold_rows import AT, DEADLINE_S, K2, LEAST, MOST, gold, insert, k2

from k2_shared.kafka.topics import Names
from k2_support.signals import sigint
from k2_support.waiting import wait_for

EXTREME = [
    gold(1, price=MOST, quantity=LEAST),
    gold(2, price=LEAST, quantity=MOST, at=AT.replace(microsecond=1)),
    gold(3, exchange="BINANCE", symbol="币安人生/USDT"),
]
WHOLE = "SELECT timestamp, symbol, price, quantity, quote_volume, side, source_sequence, vendor_data FROM gold_trades"
ORDERED = f"{WHOLE} ORDER BY source_sequence"
STACK = Names("")  # of the stack's own database, which no test writes into
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
LONG = "SELECT number, toString(number) AS text, toDecimal64(number, 3) AS decimal FROM numbers({rows})"


@pytest.fixture
def doubled(warm: Client) -> None:
    """Three trades, each inserted twice."""
    insert(warm, EXTREME, EXTREME)


@pytest.mark.usefixtures("doubled")
def test_json_has_every_digit_once(names: Names) -> None:
    """Decimals as text, times in UTC with their microseconds, integers as numbers, maps as objects."""
    rows = [json.loads(line) for line in k2(names, "sql", ORDERED, "--json").stdout.splitlines()]
    assert rows[0] == {
        "timestamp": "2026-11-26T22:57:06.061001+00:00",
        "symbol": "BTC/USD",
        "price": "9999999999.99999999",
        "quantity": "0.00000001",
        "quote_volume": "99.9999999999999999",
        "side": "SELL",
        "source_sequence": 1,
        "vendor_data": {"ord_type": "limit"},
    }
    assert [row["price"] for row in rows] == ["9999999999.99999999", "0.00000001", "105435.80000000"]
    assert [row["symbol"] for row in rows] == [each.symbol for each in EXTREME]


@pytest.mark.usefixtures("doubled")
def test_csv_has_every_digit_once(names: Names) -> None:
    """Under the names of the columns."""
    rows = list(csv.DictReader(io.StringIO(k2(names, "sql", "-", "--csv", stdin=ORDERED).stdout)))
    assert [row["price"] for row in rows] == ["9999999999.99999999", "0.00000001", "105435.80000000"]
    assert [row["timestamp"] for row in rows][:2] == [
        "2026-11-26T22:57:06.061001+00:00",
        "2026-11-26T22:57:06.000001+00:00",
    ]
    assert rows[2]["symbol"] == "币安人生/USDT"
    assert json.loads(rows[0]["vendor_data"]) == {"ord_type": "limit"}


@pytest.mark.usefixtures("doubled")
def test_a_table_has_every_digit_once(names: Names) -> None:
    """On lines as long as they are; numbers stand to the right."""
    title, first, *rest = k2(names, "sql", f"{ORDERED};").stdout.splitlines()
    assert len(rest) == 2
    assert title.split() == [
        "timestamp",
        "symbol",
        "price",
        "quantity",
        "quote_volume",
        "side",
        "source_sequence",
        "vendor_data",
    ]
    assert first.split()[:5] == [
        "2026-11-26T22:57:06.061001+00:00", "BTC/USD", "9999999999.99999999", "0.00000001", "99.9999999999999999",
    ]  # fmt: skip
    assert title.index("price") + len("price") == first.index("9999999999.99999999") + len("9999999999.99999999")


@pytest.mark.usefixtures("doubled")
def test_parquet_has_the_tables_own_types(names: Names, tmp_path: Path) -> None:
    """As pyarrow and DuckDB read them; an existing file is replaced by --force alone, and none is left half."""
    file = tmp_path / "gold.parquet"
    assert k2(names, "sql", ORDERED, "--parquet", str(file)).stderr == f"3 rows stand in {file}\n"
    found = pq.read_table(file)
    assert found.schema.field("price").type == pa.decimal128(18, 8)
    assert found.schema.field("quote_volume").type == pa.decimal128(38, 16)
    assert found.schema.field("timestamp").type == pa.timestamp("us", "UTC")
    assert found["price"].to_pylist() == [each.price for each in EXTREME]
    assert found["timestamp"].to_pylist() == [each.timestamp for each in EXTREME]
    assert found["vendor_data"].to_pylist()[0] == [("ord_type", "limit")]
    rows = duckdb.sql(f"SELECT price, quantity, timestamp FROM '{file}'").fetchall()  # noqa: S608  # our own file
    assert [(price, quantity, at.astimezone(UTC)) for price, quantity, at in rows] == [
        (each.price, each.quantity, each.timestamp) for each in EXTREME
    ]
    assert f"{file} is there" in k2(names, "sql", "SELECT 1", "--parquet", str(file), code=2).stderr
    k2(names, "sql", "SELECT throwIf(number = 999999) FROM numbers(1000000)", "--parquet", str(file), "--force", code=2)
    assert pq.read_table(file) == found
    assert k2(names, "sql", "SELECT 1 AS n", "--parquet", str(file), "--force").returncode == 0
    assert pq.read_table(file).to_pylist() == [{"n": 1}]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.usefixtures("doubled")
def test_a_result_without_rows_has_its_columns(names: Names, tmp_path: Path) -> None:
    """In CSV, in a table and in a file."""
    nothing = f"{WHOLE} WHERE price < 0; -- none"
    assert k2(names, "sql", nothing, "--csv").stdout.startswith("timestamp,symbol,price,")
    assert k2(names, "sql", nothing).stdout.split()[:3] == ["timestamp", "symbol", "price"]
    assert k2(names, "sql", nothing, "--json").stdout == ""
    k2(names, "sql", nothing, "--parquet", str(tmp_path / "none"))
    assert pq.read_schema(tmp_path / "none").field("price").type == pa.decimal128(18, 8)


@pytest.mark.usefixtures("doubled")
def test_nothing_is_changed(warm: Client, names: Names) -> None:
    """By no statement that would."""
    for statement in (
        "INSERT INTO gold_trades (symbol) VALUES ('x')",
        "DROP TABLE gold_trades",
        "TRUNCATE gold_trades",
    ):
        (line,) = k2(names, "sql", statement, code=2).stderr.splitlines()
        assert line.startswith("k2: the warm tier is only read here: ")
    assert warm.query("SELECT count() FROM gold_trades FINAL").result_rows == [(3,)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["SET max_threads = 1"], 2, "k2: the warm tier is only read here: "),
        (["SELEC 1"], 2, "k2: that is no SQL of ClickHouse: Syntax error"),
        (["SELECT * FROM nowhere"], 2, "'k2 migrate apply' makes its tables"),
        (
            ["SELECT nothing FROM system.one"],
            2,
            "k2: ClickHouse refuses the query: Unknown expression identifier `nothing`",
        ),
        (["SELECT 1 FORMAT CSV"], 2, "k2: leave FORMAT CSV out of the query"),
        (["SELECT sumState(1)"], 2, "k2: a column cannot be read (AggregateFunction(sum, UInt8)"),
        (["SELECT 1, 1", "--json"], 2, "k2: two columns are called '1'"),
        (["SELECT number FROM numbers(10001)"], 2, "k2: a table has at most 10,000 rows: LIMIT it"),
        (["SELECT 1", "--json", "--csv"], 2, "k2: a result has one form"),
        (["SELECT 1", "--force"], 2, "k2: --force replaces the file of --parquet"),
        (
            ["SELECT 1", "--parquet", "/nowhere/at/all"],
            2,
            "k2: cannot write /nowhere/at/all: No such file or directory",
        ),
        (["SELECT 1", "--limit-s", "601"], 2, "k2: --limit-s 601 is not allowed: it is 1 to 600"),
        ([" "], 2, "k2: there is no query"),
        ([ENDLESS, "--limit-s", "1"], 4, "ask for less, or give it more time: --limit-s"),
        (["SELECT groupArray(number) FROM numbers(10000000)", "--limit-mb", "50"], 2, "or give it more: --limit-mb"),
        (["SELECT number FROM numbers(9)", "--limit-rows", "5", "--csv"], 2, "allow more: --limit-rows"),
    ],
)
def test_what_is_refused_is_one_line(words: Sequence[str], code: int, said: str) -> None:
    """What is wrong, and what to do."""
    (line,) = k2(STACK, "sql", *words, code=code).stderr.splitlines()
    assert said in line


def test_a_failure_far_along_is_told() -> None:
    """After the rows that came before it, in ClickHouse's own words."""
    done = k2(STACK, "sql", "--csv", "SELECT throwIf(number = 2999999, 'far along') FROM numbers(3000000)", code=2)
    assert done.stdout.count("\n") > 65_000
    assert done.stderr.startswith("k2: ClickHouse refuses the query: far along")


@pytest.mark.parametrize("words", [["sql", "SELECT 1"], ["trades", "BTC/USD"]])
def test_a_wrong_password_is_a_wrong_setting(words: list[str]) -> None:
    """Of the reader's, which are named."""
    (line,) = k2(STACK, *words, code=2, CLICKHOUSE_READER_PASSWORD="wrong").stderr.splitlines()
    assert "check CLICKHOUSE_READER_USER and CLICKHOUSE_READER_PASSWORD" in line


@pytest.fixture
def mark(names: Names) -> str:
    """Words of a comment that are in this test's queries alone."""
    return names.prefix.rstrip(".")


def is_running(warm: Client, mark: str) -> bool:
    """Whether a query with such a comment runs."""
    asked = (
        "SELECT count() FROM system.processes WHERE position(query, {mark:String}) AND NOT position(query, 'processes')"
    )
    return bool(warm.query(asked, {"mark": mark}).result_rows[0][0])


@pytest.fixture
def server(warm: Client) -> Client:
    """The owner, in no database."""
    warm.database = None
    return warm


def test_ctrl_c_ends_the_query(server: Client, mark: str) -> None:
    """On the server too; exit code 130, and not a word."""
    with sigint(ignored=False):
        asking = subprocess.Popen(
            [*K2, "sql", f"{ENDLESS} /* {mark} */"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    wait_for(lambda: is_running(server, mark), DEADLINE_S, "the query to run")
    asking.send_signal(signal.SIGINT)
    assert asking.communicate(timeout=DEADLINE_S) == ("", "")
    assert asking.returncode == 130
    wait_for(lambda: not is_running(server, mark), DEADLINE_S, "the query to end")


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_closed_pipe_ends_the_query(server: Client, mark: str, form: str) -> None:
    """On the server too, with most of its result not read; exit code 141, and not a word."""
    asked = f"{LONG.format(rows=10**11)} /* {mark} */"
    asking = subprocess.Popen([*K2, "sql", asked, form], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asking.stdout
    assert asking.stdout.readline()
    asking.stdout.close()
    assert asking.stderr
    assert asking.stderr.read() == b""
    assert asking.wait(DEADLINE_S) == 141
    wait_for(lambda: not is_running(server, mark), DEADLINE_S, "the query to end")


@pytest.mark.parametrize(
    "form",
    [
        ["--json"],
        pytest.param(["--csv"], marks=pytest.mark.long),
        pytest.param(["--parquet", "/dev/null", "--force"], marks=pytest.mark.long),
    ],
)
def test_a_long_result_is_never_held(form: Sequence[str], tmp_path: Path) -> None:
    """Of eight times as many rows a process holds hardly more."""
    held = [_peak_mb(LONG.format(rows=rows), form, tmp_path) for rows in (250_000, 2_000_000)]
    assert held[1] - held[0] < 60, held


def _peak_mb(query: str, form: Sequence[str], folder: Path) -> float:
    words = [str(folder / "file") if each == "/dev/null" else each for each in form]
    child = subprocess.Popen([*K2, "sql", query, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1024
