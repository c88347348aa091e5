"""Inserts: formats, compression, counts, and what a failure leaves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
import requests
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.contract.clickhouse.conftest import Table
from tests.contract.clickhouse.server import Address

TRADE = (
    "id Int64, symbol LowCardinality(String), price Decimal(18, 8), at DateTime64(6, 'UTC'), flags Array(String), "
    "note Nullable(String)"
)
ROWS = [
    (1, "BTC/USD", Decimal("90000.00000001"), datetime(2025, 1, 2, 3, 4, 5, 678901, UTC), ["a", "b'\n"], None),
    (2, "ETH/USD", Decimal("0.1"), datetime(1970, 1, 1, tzinfo=UTC), [], "it's\t\\"),
]
ARROW = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "symbol": pa.array(["BTC/USD", "ETH/USD"]),
        "price": pa.array([row[2] for row in ROWS], pa.decimal128(18, 8)),
        "at": pa.array([row[3] for row in ROWS], pa.timestamp("us", "UTC")),
        "flags": pa.array([row[4] for row in ROWS], pa.list_(pa.string())),
        "note": pa.array([row[5] for row in ROWS], pa.string()),
    }
)


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_native_rows_come_back_as_they_went(owner: Address, database: str, table: Table, compress: str | bool) -> None:
    """Decimals, microseconds, arrays and nulls are the same in either direction, under each compression."""
    name = table(TRADE)
    with owner.client(database, compress=compress) as client:
        assert client.insert(name, ROWS).written_rows == 2
        assert client.query(f"SELECT * FROM {name} ORDER BY id").result_rows == ROWS


async def test_the_asynchronous_client_inserts_and_reads(asynchronous: AsyncClient, table: Table) -> None:
    """The same rows, by asyncio, Native and Arrow."""
    name = table(TRADE)
    await asynchronous.insert(name, ROWS)
    await asynchronous.insert_arrow(name, ARROW)
    assert (await asynchronous.query(f"SELECT * FROM {name} ORDER BY id LIMIT 1 BY id")).result_rows == ROWS
    assert (await asynchronous.query_arrow(f"SELECT count() AS n FROM {name}"))["n"].to_pylist() == [4]


def test_arrow_comes_back_as_it_went(client: Client, table: Table) -> None:
    """An Arrow table by its own format."""
    name = table(TRADE.replace("LowCardinality(String)", "String"))
    assert client.insert_arrow(name, ARROW).written_rows == 2
    found = client.query_arrow(f"SELECT * FROM {name} ORDER BY id", use_strings=True)
    assert found.to_pylist() == ARROW.to_pylist()


def test_many_blocks_are_one_insert(owner: Address, table: Table) -> None:
    """A million rows, compressed, in one request."""
    name = table("n Int64")
    with owner.client(compress="lz4") as client:
        assert client.insert_arrow(name, pa.table({"n": range(1_000_000)})).written_rows == 1_000_000
        assert client.query(f"SELECT count(), sum(n) FROM {name}").first_row == (1_000_000, 499_999_500_000)


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        ("INSERT INTO {} VALUES", b"(1, 'a'), (2, concat('b', ')'))"),
        ("INSERT INTO {} (n, s) FORMAT CSV", b"1,a\n2,b)\n"),
        ("INSERT INTO {} FORMAT JSONEachRow\n", b'{"n":1,"s":"a"}\n{"n":2,"s":"b)"}'),
        ("-- VALUES\ninsert into {} /* FORMAT CSV */ settings max_threads=1 format TabSeparated", b"1\ta\n2\tb)\n"),
        ("INSERT INTO {} SELECT 1, 'a' UNION ALL SELECT 2, 'b)'", b""),
    ],
)
def test_sql_and_data_may_come_together_or_apart(owner: Address, table: Table, sql: str, data: bytes) -> None:
    """The SQL in the URL and the data in the body, or both in the body, in any format."""
    for is_apart in (True, False):
        name = table("n Int64, s String")
        statement = sql.format(name)
        answer = owner.ask(statement, data) if is_apart else owner.ask(data=statement.encode() + b"\n" + data)
        assert answer.ok, answer.text
        assert owner.ask(f"SELECT * FROM {name} ORDER BY n").text == "1\ta\n2\tb)\n"


def test_a_body_that_ends_in_the_middle_writes_nothing(owner: Address, table: Table) -> None:
    """Native data that is cut off is refused, and no row of its block is there."""
    name = table("n Int64")
    answer = owner.ask(f"INSERT INTO {name} FORMAT Native", b"\x01\x03\x01n\x05Int64" + b"\x01\x00\x00")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "33"
    assert owner.ask(f"SELECT count() FROM {name}").text == "0\n"


def test_a_value_of_another_type_is_refused(client: Client, table: Table) -> None:
    """The error names the place, and nothing is written."""
    name = table("n Int64")
    with pytest.raises(DatabaseError, match="INCORRECT_DATA"):
        client.raw_insert(name, ["n"], "1\nx\n", fmt="CSV")
    assert client.query(f"SELECT count() FROM {name}").first_row == (0,)


def test_a_client_that_goes_in_the_middle_writes_nothing(owner: Address, table: Table) -> None:
    """A body that never ends is no insert."""
    name = table("n Int64")

    def half() -> Iterator[bytes]:
        yield f"INSERT INTO {name} FORMAT CSV\n1\n".encode()
        raise OSError("gone")

    with pytest.raises((OSError, requests.RequestException)):
        owner.ask(data=half())
    assert owner.ask(f"SELECT count() FROM {name}").text == "0\n"


def test_an_insert_is_readable_when_it_is_answered(owner: Address, table: Table) -> None:
    """async_insert is off: a small insert has its part at once, and says how many rows it wrote."""
    name = table("n Int64")
    answer = owner.ask(f"INSERT INTO {name} VALUES (1)", wait_for_async_insert=0, async_insert=0)
    assert '"written_rows":"1"' in answer.headers["X-ClickHouse-Summary"].replace(" ", "")
    assert owner.ask(f"SELECT n FROM {name}").text == "1\n"


def test_rows_that_cannot_be_written_are_refused(owner: Address, table: Table) -> None:
    """An insert that was taken and finds no space at its end is not called done; the next that finds some is."""
    name, limit = table("n Int64"), "min_free_disk_bytes_to_perform_insert"
    owner.ask(f"ALTER TABLE {name} MODIFY SETTING {limit} = 1000000000000000").raise_for_status()
    for _ in range(3):
        answer = owner.ask(f"INSERT INTO {name} FORMAT TSV", b"1\n")
        assert answer.headers["X-ClickHouse-Exception-Code"] == "243"
        assert "NOT_ENOUGH_SPACE" in answer.text
    assert owner.ask(f"SELECT count() FROM {name}").text == "0\n"
    owner.ask(f"ALTER TABLE {name} RESET SETTING {limit}").raise_for_status()
    assert owner.ask(f"INSERT INTO {name} FORMAT TSV", b"1\n").ok
    assert owner.ask(f"SELECT count() FROM {name}").text == "1\n"
