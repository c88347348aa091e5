"""Records to rows: exact values, one row a record, and nothing in a row but what its record says."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core import contracts
from k2_shared.core.contracts import WarmTableContract
from k2_shared.core.errors import Halt
from k2_shared.core.trade import Trade
from k2_shared.warm.migrations import migrations
from k2_support.records import (
    ORIGIN,
    RECEIVED_NS,
    SCHEMA_ID,
    SCHEMAS,
    FakeRecord,
    example,
    fields,
    trade,
    trades,
    value,
)
from k2_support.spellings import PLAIN, Spelling, spellings
from k2_support.warm_rows import expected
from k2_support.warm_tables import Row
from warm_sink import rows

TABLES = contracts.warm_tables()
EXCHANGES = {topic: "KRAKEN" for table in TABLES.values() for topic in table.topics if topic.rpartition("kraken")[1]}
GAP = (
    b'{"exchange":"KRAKEN","symbol":"BTC/USDT","state":"filled","first_id":7,"last_id":9,'
    b'"cause":"restart","opened_at":1,"at":2}'
)
RAW, DLQ = "market.crypto.trades.kraken.raw", "market.crypto.trades.dlq"
OWN = {
    "k2-origin": ORIGIN.pack(),
    "k2-dlq-topic": b"market.crypto.trades.kraken",
    "k2-dlq-partition": b"3",
    "k2-dlq-offset": b"41",
    "k2-dlq-stage": b"silver",
    "k2-dlq-reason": b"bad_price",
    "k2-dlq-detail": "price ≤ 0".encode(),
    "k2-dlq-service": b"silver",
    "k2-dlq-version": b"0.1.0",
    "k2-dlq-attempt": b"2",
    "k2-dlq-time": str(RECEIVED_NS).encode(),
}


def made(table: str, *records: FakeRecord) -> pa.Table:
    contract: WarmTableContract = TABLES[table]
    found = dict.fromkeys(contract.topics, SCHEMAS)
    return rows.of_table(contract, EXCHANGES, found)(list(records))


def plain(table: pa.Table) -> list[Row]:
    """Rows in the form of ``WarmTables.rows``."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.int64()))
    return [{name: _plain(name, found) for name, found in row.items()} for row in table.to_pylist()]


def _plain(name: str, found: Any) -> Any:
    match name:
        case "side" | "state":
            return found
        case "vendor_data":
            return dict(found)
        case "headers":
            return [(each["name"].encode(), each["value"]) for each in found]
        case _:
            return found.encode() if isinstance(found, str) else found


def of(table: str, given: Trade, **changes: Any) -> FakeRecord:
    return FakeRecord(given.key, value(given), **{"topic": TABLES[table].topics[-1], **changes})


def sql_columns(table: str) -> list[str]:
    (sql,) = (each.sql for each in migrations() if each.name == table)
    lines = [line.strip() for line in sql.partition("(\n")[2].partition("\n)")[0].splitlines()]
    altered = "\n".join(each.sql for each in migrations())
    added = re.findall(rf"ALTER TABLE {table}\s+ADD COLUMN IF NOT EXISTS (\w+)", altered)
    return [*(line.split()[0] for line in lines), *added]


RECORDS = {
    "raw_trades": [FakeRecord(b"KRAKEN:BTC/USDT", b'{"a":1}', RAW, 3, 41)],
    "bronze_trades": [of("bronze_trades", trade(), partition=3, offset=41)],
    "silver_trades": [of("silver_trades", trade(), partition=3, offset=41)],
    "gold_trades": [of("gold_trades", trade(side="SELL"), partition=3, offset=41)],
    "dead_letters": [FakeRecord(b"KRAKEN:BTC/USDT", value(trade()), DLQ, headers=(*OWN.items(),))],
    "gaps": [FakeRecord(b"KRAKEN:BTC/USDT", GAP, "market.crypto.feed.gaps", 0, 41)],
}


@pytest.mark.parametrize("table", TABLES)
def test_a_row_has_the_tables_columns(table: str) -> None:
    """All of them, as the migration has them, and no other."""
    assert sorted(made(table, *RECORDS[table]).column_names) == sorted(sql_columns(table))


@pytest.mark.parametrize("table", TABLES)
def test_a_row_says_what_its_record_says(table: str) -> None:
    """To the value."""
    assert plain(made(table, *RECORDS[table])) == expected(table, RECORDS[table], SCHEMAS)


@given(st.lists(trades(), min_size=1, max_size=5))
def test_a_trades_row_holds_its_fields_exactly(given_trades: list[Trade]) -> None:
    """Decimals and their product keep all digits, times their microseconds."""
    for table in ("bronze_trades", "silver_trades", "gold_trades"):
        records = [of(table, each, offset=number) for number, each in enumerate(given_trades)]
        assert plain(made(table, *records)) == [
            {**row, **({"exchange": b"KRAKEN"} if table == "bronze_trades" else {})}
            for row in expected(table, records, SCHEMAS)
        ]


def test_the_largest_product_fits() -> None:
    """Of price and quantity."""
    largest = Decimal("9999999999.99999999")
    found = made("gold_trades", of("gold_trades", trade(price=largest, quantity=largest)))
    assert found["quote_volume"].to_pylist() == [Decimal("99999999999999999800.0000000000000001")]
    assert found.schema.field("quote_volume").type == pa.decimal128(38, 16)


@given(trades(), spellings())
def test_a_row_is_the_same_in_every_spelling(given_trade: Trade, spelling: Spelling) -> None:
    """A table does not tell how its rows were written."""
    topic = TABLES["gold_trades"].topics[0]
    one, other = (FakeRecord(given_trade.key, each.write(fields(given_trade)), topic) for each in (PLAIN, spelling))
    assert plain(made("gold_trades", one)) == plain(made("gold_trades", other))


@pytest.mark.parametrize("vendor_data", [None, {}])
def test_no_vendor_data_and_empty_vendor_data_are_one(vendor_data: Any) -> None:
    """An empty map."""
    (row,) = plain(made("gold_trades", of("gold_trades", trade(vendor_data=vendor_data))))
    assert row["vendor_data"] == {}


@pytest.mark.parametrize("data", [None, b"", b"\x00", b"{}", value(trade(), SCHEMA_ID + 1), value(trade()) + b"\x00"])
def test_a_delivery_that_cannot_be_decoded_is_a_row_without_a_trade(data: bytes | None) -> None:
    """Its bytes, key and place are there; the trade's columns are null."""
    (row,) = plain(made("bronze_trades", FakeRecord(b"KRAKEN:BTC/USDT", data)))
    assert (row["avro_payload"], row["symbol"]) == (data or b"", b"BTC/USDT")
    assert {row[name] for name in ("trade_id", "timestamp", "price", "quantity", "side", "source_sequence")} == {None}


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20))
def test_any_key_and_any_payload_are_rows(key: bytes | None, payload: bytes | None) -> None:
    """Text stays text, other bytes are escaped, nothing is dropped."""
    for table, topic in (
        ("raw_trades", RAW),
        ("bronze_trades", TABLES["bronze_trades"].topics[-1]),
    ):
        (row,) = made(table, FakeRecord(key, payload, topic)).to_pylist()
        assert row["symbol"] == (key or b"").decode("utf-8", "backslashreplace").partition(":")[2]


@pytest.mark.parametrize("table", ["silver_trades", "gold_trades"])
def test_a_record_behind_silver_that_cannot_be_decoded_halts(table: str) -> None:
    """Silver has validated it, so this is no bad record but a contradiction; the text says where."""
    with pytest.raises(Halt, match=r"\[3\]@41 should hold a validated trade"):
        made(table, FakeRecord(b"k", b"", TABLES[table].topics[0], 3, 41))


def test_a_record_of_the_ledger_that_cannot_be_decoded_halts() -> None:
    """Only feeds write it; the text says where."""
    with pytest.raises(Halt, match=r"gaps\[0\]@41 should hold a gap's record"):
        made("gaps", FakeRecord(b"k", b"{}", "market.crypto.feed.gaps", 0, 41))


@pytest.mark.parametrize("headers", [(), (("other", b"x"),), (("k2-origin", b"\x02foreign"),), (("k2-origin", b""),)])
def test_without_an_origin_the_receipt_is_kafkas_time(headers: Any) -> None:
    """A foreign or missing header keeps no record out."""
    (row,) = plain(made("raw_trades", FakeRecord(b"k", b"v", RAW, headers=headers)))
    assert row["ingestion_timestamp"] == row["kafka_timestamp"] * 1_000


@pytest.mark.parametrize("table", ["raw_trades", "bronze_trades", "dead_letters"])
@pytest.mark.parametrize("milliseconds", [2**62, -(2**62), -1])
def test_a_time_that_no_calendar_holds_keeps_no_record_out(table: str, milliseconds: int) -> None:
    """Any writer may set any time."""
    record = FakeRecord(b"k", b"v", TABLES[table].topics[-1], timestamp=milliseconds, headers=())
    assert made(table, record).num_rows == 1


def letter(headers: Sequence[tuple[str, Any]], data: bytes | None = b"{}") -> Row:
    (row,) = plain(made("dead_letters", FakeRecord(None, data, DLQ, headers=tuple(headers))))
    return row


def test_somebody_elses_record_among_the_letters_is_a_row() -> None:
    """What it does not say is empty, zero or null; its refusal is its time."""
    row = letter([("name", None), ("other", b"\xff")])
    assert row["headers"] == [(b"name", None), (b"other", b"\xff")]
    assert (row["reason"], row["attempt"], row["source_partition"], row["schema_id"]) == (b"", 0, None, None)
    assert row["refused_at"] == row["kafka_timestamp"] * 1_000


@pytest.mark.parametrize("odd", [b"", b"-1", b"x", "٣".encode(), b"9" * 30, None])
def test_an_odd_header_keeps_no_letter_out(odd: bytes | None) -> None:
    """A number that is none is as one that is not there."""
    row = letter([(f"k2-dlq-{name}", odd) for name in ("partition", "offset", "attempt", "time")])
    assert (row["source_partition"], row["source_offset"], row["attempt"]) == (None, None, 0)
    assert row["refused_at"] == row["kafka_timestamp"] * 1_000


def test_of_a_header_that_comes_twice_the_last_is_the_letters() -> None:
    """A replayed record carries that of its first refusal."""
    assert letter([("k2-dlq-attempt", b"1"), ("k2-dlq-attempt", b"2")])["attempt"] == 2


@pytest.mark.parametrize(
    ("data", "schema_id"),
    [(None, None), (b"{}", None), (b"\x00\x00\x00\x00\x07", 7), (b"\x00\xff\xff\xff\xff", 2**32 - 1)],
)
def test_the_schema_that_a_letter_claims(data: bytes | None, schema_id: int | None) -> None:
    """Null where it is in no wire format, or where no registry gives such an id."""
    assert letter([], data)["schema_id"] == schema_id


@pytest.mark.parametrize(
    ("stage", "detail", "found"),
    [
        (b"feed", b"BINANCE:SHIB/USDT:900000897: quantity 46116860414.00 does not fit decimal(18,8)", 900_000_897),
        (b"silver", b"BINANCE:SHIB/USDT:900000897: quantity 46116860414.00 does not fit decimal(18,8)", None),
        (b"feed", b"BINANCE:PEPE/USDT:900000897: of another symbol than its key", None),
        (b"feed", b"BINANCE:SHIB/USDT:9000000000000000000000: trade_id does not fit 64 bits", None),
        (b"feed", b"no frame of the venue", None),
    ],
)
def test_a_frame_that_a_feed_refused_has_the_id_that_the_refusal_names(
    stage: bytes, detail: bytes, found: int | None
) -> None:
    """It is the only word of the trade: candles that lack it must say so."""
    headers = (("k2-dlq-stage", stage), ("k2-dlq-detail", detail))
    record = FakeRecord(b"BINANCE:SHIB/USDT", b'{"stream":"shibusdt@trade"}', DLQ, headers=headers)
    (row,) = plain(made("dead_letters", record))
    assert row["source_sequence"] == found
    assert [row] == expected("dead_letters", [record], SCHEMAS)


def test_examples_are_rows() -> None:
    """Those of the contracts."""
    record = example("valid/kraken_trade.json")
    (row,) = plain(made("bronze_trades", FakeRecord(record.key, record.value)))
    assert row["trade_id"] is not None


def test_what_expires_by_kafkas_time_is_in_the_migrations() -> None:
    """The contract's hours are the table's TTL, by the time of the receipt."""
    spelt = {48: "48 HOUR", 168: "7 DAY", 720: "30 DAY"}
    for table in TABLES.values():
        (sql,) = (each.sql for each in migrations() if each.name == table.name)
        by_receipt = "TTL toDateTime(ingestion_timestamp) + INTERVAL "
        if table.retention_hours is None:
            assert by_receipt not in sql
        else:
            assert f"{by_receipt}{spelt[table.retention_hours]}\n" in sql


def test_each_day_is_a_part() -> None:
    """The contract's column is that of the migration's partitions."""
    for table in TABLES.values():
        (sql,) = (each.sql for each in migrations() if each.name == table.name)
        if table.partition_by is None:
            assert "PARTITION BY" not in sql
        else:
            assert re.search(rf"^PARTITION BY toYYYYMM(DD)?\({table.partition_by}\)$", sql, re.MULTILINE)


@pytest.mark.parametrize(("most", "pieces"), [(10, [7]), (7, [7]), (3, [3, 3, 1]), (1, [1] * 7)])
def test_an_insert_has_a_limit_of_days(most: int, pieces: list[int]) -> None:
    """Every row is in one piece, in its order there."""
    day_us, records = 86_400_000_000, []
    for number in range(21):
        given_trade = trade(trade_id=number + 1, timestamp=day_us * (20_000 - number % 7) + number)
        records.append(of("gold_trades", given_trade, offset=number))
    table = made("gold_trades", *records)
    found = list(rows.by_days(table, "timestamp", most))
    assert [len(set(pc.floor_temporal(piece["timestamp"], unit="day").to_pylist())) for piece in found] == pieces
    assert sorted(offset for piece in found for offset in piece["kafka_offset"].to_pylist()) == list(range(21))
    assert all(piece["kafka_offset"].to_pylist() == sorted(piece["kafka_offset"].to_pylist()) for piece in found)


def test_rows_that_are_in_no_days_are_one_piece() -> None:
    """As those of the ledger."""
    table = made("gaps", *RECORDS["gaps"])
    assert list(rows.by_days(table, TABLES["gaps"].partition_by, 1)) == [table]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_known_again_by_its_last_row(name: str) -> None:
    """By its place, and by what else finds it fast."""
    table = made(name, *RECORDS[name])
    found = rows.landmark(table, TABLES[name].partition_by, range(2**63 - 1))
    assert found
    (at,) = [
        number
        for number in range(table.num_rows)
        if table["kafka_offset"][number].as_py() == found.numbers["kafka_offset"]
    ]
    row = {column: table[column][at] for column in table.column_names}
    assert found.texts == {column: row[column].as_py() for column in found.texts}
    assert found.times == {column: row[column].cast(pa.int64()).as_py() for column in found.times}
    assert [*found.times] == [each for each in [TABLES[name].partition_by] if each]


def test_a_row_that_may_expire_soon_is_no_landmark() -> None:
    """Nor one that says it was received at a time that no clock shows."""
    table = made("raw_trades", *RECORDS["raw_trades"])
    received_us = RECEIVED_NS // 1_000
    assert rows.landmark(table, "ingestion_timestamp", range(received_us + 1, received_us + 9)) is None
    assert rows.landmark(table, "ingestion_timestamp", range(received_us)) is None
