"""Records to rows: the contract's columns, exact values, days and hours of the exchange's time in UTC."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceberg_sink import rows
from k2_shared.core import contracts
from k2_shared.core.errors import Halt
from k2_shared.core.trade import Trade
from k2_shared.lake import iceberg
from k2_support.records import (
    RECEIVED_NS,
    SCHEMA_ID,
    SCHEMAS,
    FakeRecord,
    encoded,
    fields,
    records,
    trade,
    trades,
    value,
)
from k2_support.spellings import PLAIN, Spelling, spellings

TABLES = contracts.tables()
TOPIC = "market.crypto.trades.gold"


def schema(name: str) -> pa.Schema:
    return iceberg.schema_of(TABLES[name]).as_arrow()


def enveloped(*found: FakeRecord) -> list[dict[str, Any]]:
    name = "bronze_crypto_trades"
    return list(rows.of_table(TABLES[name], schema(name), {})(list(found)).to_pylist())


def gold(given_trades: list[Trade], sort_by: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    to_rows = rows.trades(schema("gold_crypto_trades"), {TOPIC: SCHEMAS})
    parts = [to_rows(records(given_trades[:2], TOPIC)), *(to_rows(records([t], TOPIC)) for t in given_trades[2:])]
    return list(rows.gathered(parts, sort_by).to_pylist())


def micros(moment: datetime) -> int:
    """Microseconds since the epoch of a time that says it is UTC."""
    assert moment.utcoffset() is not None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_bronze_is_the_record_as_it_stands_in_kafka() -> None:
    """Eight columns; the receipt is the origin's to the microsecond, the other time is Kafka's."""
    record = FakeRecord(
        b"KRAKEN:BTC/USDT", b"\x00any", "market.crypto.trades.kraken", 3, 41, timestamp=1_762_795_435_678
    )
    (row,) = enveloped(record)
    assert list(row) == [column.name for column in TABLES["bronze_crypto_trades"].columns]
    received = datetime(2025, 11, 10, 17, 23, 54, 0, tzinfo=UTC)
    assert row == {
        "message_key": "KRAKEN:BTC/USDT",
        "avro_payload": b"\x00any",
        "topic": record.topic,
        "partition": 3,
        "offset": 41,
        "kafka_timestamp": datetime(2025, 11, 10, 17, 23, 55, 678_000, tzinfo=UTC),
        "ingestion_timestamp": received,
        "ingestion_date": date(2025, 11, 10),
    }
    assert micros(row["ingestion_timestamp"]) == RECEIVED_NS // 1_000


@pytest.mark.parametrize("headers", [(), (("other", b"x"),), (("k2-origin", b"\x02foreign"),), (("k2-origin", b""),)])
def test_without_an_origin_the_receipt_is_kafkas_time(headers: Any) -> None:
    """A foreign or missing header does not keep a record out of bronze."""
    (row,) = enveloped(FakeRecord(b"k", b"v", timestamp=86_399_999, headers=headers))
    assert row["ingestion_timestamp"] == row["kafka_timestamp"] == datetime(1970, 1, 1, 23, 59, 59, 999_000, tzinfo=UTC)
    assert row["ingestion_date"] == date(1970, 1, 1)


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20))
def test_any_key_and_any_payload_are_a_row_of_bronze(key: bytes | None, payload: bytes | None) -> None:
    """Bronze takes what cannot be decoded too: text stays text, other bytes are escaped, nothing is dropped."""
    (row,) = enveloped(FakeRecord(key, payload))
    assert row["avro_payload"] == payload
    assert row["message_key"] == (None if key is None else key.decode("utf-8", "backslashreplace"))


@given(st.lists(trades(), min_size=1, max_size=8))
def test_a_trades_row_holds_its_fields_exactly(given_trades: list[Trade]) -> None:
    """Decimals keep all digits, times their microseconds; day and hour are the exchange's, in UTC."""
    for row, of in zip(gold(given_trades), given_trades, strict=True):
        moment = row["timestamp"]
        derived = {name: row.pop(name) for name in ("exchange_date", "exchange_hour")}
        assert derived == {"exchange_date": moment.astimezone(UTC).date(), "exchange_hour": moment.astimezone(UTC).hour}
        said = row.pop("vendor_data")
        assert (None if said is None else dict(said)) == of.vendor_data
        expected = {name: data for name, data in fields(of).items() if name != "vendor_data"}
        for name in ("timestamp", "ingestion_timestamp"):
            row[name] = micros(row[name])
        assert row == expected
        assert row["price"].as_tuple().exponent == -8


@given(trades(), spellings())
def test_a_row_is_the_same_in_every_spelling(of: Trade, spelling: Spelling) -> None:
    """A table does not tell how its rows were written."""
    to_rows = rows.trades(schema("gold_crypto_trades"), {TOPIC: SCHEMAS})
    spelt = [FakeRecord(of.key, each.write(fields(of)), TOPIC) for each in (PLAIN, spelling)]
    one, other = to_rows(spelt).to_pylist()
    assert one == other


@pytest.mark.parametrize(
    ("timestamp", "day", "hour"),
    [
        (1_762_819_199_999_999, date(2025, 11, 10), 23),
        (1_762_819_200_000_000, date(2025, 11, 11), 0),
        (-1, date(1969, 12, 31), 23),
    ],
)
def test_the_day_ends_at_midnight_utc(timestamp: int, day: date, hour: int) -> None:
    """To the microsecond, also before the epoch."""
    (row,) = gold([trade(timestamp=timestamp)])
    assert (row["exchange_date"], row["exchange_hour"]) == (day, hour)


def test_gold_is_sorted_by_time_then_sequence_and_silver_stays_in_order() -> None:
    """pyiceberg does not sort by a table's order, so the rows come sorted: by the id as a number, 9 before 10."""
    given_trades = [trade(trade_id=n, timestamp=t) for n, t in ((10, 20), (1, 30), (2, 10), (9, 20))]
    found = gold(given_trades, TABLES["gold_crypto_trades"].sort_by)
    assert [(micros(row["timestamp"]), row["trade_id"]) for row in found] == [
        (10, "2"),
        (20, "9"),
        (20, "10"),
        (30, "1"),
    ]
    assert [row["trade_id"] for row in gold(given_trades)] == ["10", "1", "2", "9"]


def test_a_trade_without_a_sequence_comes_first_of_its_moment() -> None:
    """As the table's sort order has it: nulls first."""
    sequences = pa.table({"timestamp": [2, 1, 1, 1], "source_sequence": [5, 7, None, 6]})
    found = rows.gathered([sequences], TABLES["gold_crypto_trades"].sort_by)
    assert found["source_sequence"].to_pylist() == [None, 6, 7, 5]


@pytest.mark.parametrize("name", ["silver_kraken_trades", "gold_crypto_trades"])
def test_rows_have_the_tables_columns_and_types(name: str) -> None:
    """Decimal(18,8) and UTC microseconds, as the catalog has them."""
    topic = TABLES[name].topics[0]
    found = rows.of_table(TABLES[name], schema(name), {topic: SCHEMAS})(records([trade()], topic))
    assert found.schema == schema(name)
    assert found.column_names == [column.name for column in TABLES[name].columns]
    assert found.schema.field("price").type == pa.decimal128(18, 8)
    assert found.schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert found["price"][0].as_py() == Decimal("105433.60000000")


def test_a_letters_row_has_the_tables_columns_and_types() -> None:
    """The headers too, as a list of names and values; its day is that of the refusal, in UTC."""
    name = "silver_dlq_trades"
    refused = (("k2-dlq-time", str(1_762_819_200 * 10**9 - 1).encode()), ("k2-origin", None))
    to_rows = rows.of_table(TABLES[name], schema(name), {})
    found = to_rows([FakeRecord(b"k", b"v", TABLES[name].topics[0], headers=refused)])
    assert found.schema == schema(name)
    (row,) = found.to_pylist()
    assert row["headers"] == [{"name": each, "value": said} for each, said in refused]
    assert (row["refused_date"], row["value"]) == (date(2025, 11, 10), b"v")


TOO_WIDE = encoded({**fields(trade()), "price": Decimal("12345678901.00000000")})


@pytest.mark.parametrize("data", [None, b"", value(trade(), SCHEMA_ID + 1), value(trade()) + b"\x00", TOO_WIDE])
def test_an_undecodable_record_behind_silver_halts(data: bytes | None) -> None:
    """Silver has validated it, so this is no bad record but a contradiction; the text says where."""
    to_rows = rows.trades(schema("gold_crypto_trades"), {TOPIC: SCHEMAS})
    with pytest.raises(Halt, match=r"gold\[3\]@41 should hold a validated trade"):
        to_rows([FakeRecord(trade().key, data, TOPIC, 3, 41)])
