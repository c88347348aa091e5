"""Values of ClickHouse as JSON, text and Arrow have them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.datatypes.registry import get_from_name

from k2.sql.arrow_types import arrow_type
from k2.sql.values import cell, moment, plain


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("Decimal(18, 8)", Decimal("1E-8"), "0.00000001"),
        ("Decimal(76, 16)", Decimal("12345678901234567890.0000000000000001"), "12345678901234567890.0000000000000001"),
        ("DateTime", 0, "1970-01-01T00:00:00+00:00"),
        ("DateTime('America/New_York')", 0, "1970-01-01T00:00:00+00:00"),
        ("DateTime64(3)", -1, "1969-12-31T23:59:59.999+00:00"),
        ("DateTime64(6, 'UTC')", 1_764_197_826_061_001, "2025-11-26T22:57:06.061001+00:00"),
        ("DateTime64(9)", 1_764_197_826_061_001_234, "2025-11-26T22:57:06.061001234+00:00"),
        ("Date", 1, "1970-01-02"),
        ("Date32", -1, "1969-12-31"),
        ("Int64", 2**63 - 1, 2**63 - 1),
        ("UInt256", 2**200, str(2**200)),
        ("String", b"\xff\0", "0xff00"),
        ("LowCardinality(String)", "日本".encode(), "日本"),
        ("Bool", True, True),
        ("Nullable(DateTime)", None, None),
        ("Array(Nullable(Decimal(9, 1)))", [Decimal("0.1"), None], ["0.1", None]),
        ("Map(String, DateTime)", {b"a": 0}, {"a": "1970-01-01T00:00:00+00:00"}),
        ("Map(UInt8, UInt8)", {1: 2}, {"1": 2}),
        ("Tuple(UInt8, String)", (1, b"x"), [1, "x"]),
        ("Tuple(n UInt8, at DateTime)", (1, 0), {"n": 1, "at": "1970-01-01T00:00:00+00:00"}),
        ("Nested(n UInt8)", [{"n": 1}], [{"n": 1}]),
        ("SimpleAggregateFunction(max, DateTime)", 0, "1970-01-01T00:00:00+00:00"),
        ("JSON", {"a": [b"x", Decimal(1)]}, {"a": ["x", "1"]}),
        ("Time64(3)", datetime(1970, 1, 1) - datetime(1970, 1, 1), "0:00:00"),  # noqa: DTZ001  # a duration
    ],
)
def test_json_has_every_digit(kind: str, value: Any, shown: Any) -> None:
    """Whatever the type, and within others."""
    assert plain(get_from_name(kind))(value) == shown


def test_a_cell_is_text() -> None:
    """Nothing for null, JSON for what has parts."""
    assert [cell(each) for each in (None, "x", 1, True, 0.5, [1], {"a": None})] == [
        "", "x", "1", "true", "0.5", "[1]", '{"a":null}',
    ]  # fmt: skip


def test_a_time_without_parts_of_a_second_has_none() -> None:
    """It is written as it is counted."""
    assert (moment(1), moment(1, 3)) == ("1970-01-01T00:00:01+00:00", "1970-01-01T00:00:00.001+00:00")


@pytest.mark.parametrize(
    ("kind", "value", "expected", "read"),
    [
        ("Decimal(18, 8)", Decimal("0.00000001"), pa.decimal128(18, 8), Decimal("0.00000001")),
        ("Decimal(76, 16)", Decimal(1), pa.decimal256(76, 16), Decimal("1.0000000000000000")),
        ("DateTime", 1, pa.timestamp("s", "UTC"), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("DateTime64(2)", 1, pa.timestamp("ms", "UTC"), datetime(1970, 1, 1, 0, 0, 0, 10_000, UTC)),
        ("DateTime64(6)", 1, pa.timestamp("us", "UTC"), datetime(1970, 1, 1, 0, 0, 0, 1, UTC)),
        ("Date32", -1, pa.date32(), date(1969, 12, 31)),
        ("UInt64", 2**64 - 1, pa.uint64(), 2**64 - 1),
        ("Float32", 0.5, pa.float32(), 0.5),
        ("Bool", 1, pa.bool_(), True),
        ("Nothing", None, pa.null(), None),
        ("Enum8('BUY' = 1)", "BUY", pa.string(), "BUY"),
        ("Int128", -5, pa.string(), "-5"),
        ("Nullable(String)", None, pa.string(), None),
        ("SimpleAggregateFunction(max, DateTime)", 0, pa.timestamp("s", "UTC"), datetime(1970, 1, 1, tzinfo=UTC)),
        ("Array(Int8)", [1], pa.list_(pa.int8()), [1]),
        ("Map(String, Date)", {b"a": 0}, pa.map_(pa.string(), pa.date32()), [("a", date(1970, 1, 1))]),
        ("Tuple(UInt8, String)", (1, b"x"), pa.struct([("1", pa.uint8()), ("2", pa.string())]), {"1": 1, "2": "x"}),
        ("Nested(n UInt8)", [{"n": 1}], pa.list_(pa.struct([("n", pa.uint8())])), [{"n": 1}]),
    ],
)
def test_arrow_has_the_type_itself(kind: str, value: Any, expected: pa.DataType, read: Any) -> None:
    """And the value in it."""
    found, change = arrow_type(get_from_name(kind))
    assert found == expected
    assert pa.array([change(value)], found).to_pylist() == [read]
