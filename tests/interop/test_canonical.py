"""The spelling by which engines are compared tells apart what is not the same, and nothing else."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from tests.interop.canonical import canonical

from k2_shared.core import contracts
from k2_shared.core.contracts import Column

CONTRACT = contracts.tables()["gold_crypto_trades"]
TIME, AMOUNT, MAP = "timestamptz", "decimal(18, 8)", "map<string, string>"
HEADERS = "list<struct<name: string, value: binary>>"
NOON = datetime(2025, 11, 10, 12, 0, 0, 1, tzinfo=UTC)


def spelt(kind: str, *values: Any) -> list[str]:
    """The spellings of a column's values."""
    contract = replace(CONTRACT, columns=(Column("it", kind, ""),))
    return canonical(contract, [{"it": value} for value in values])


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("string", None, ""),
        ("string", "-", None),
        ("string", "null", None),
        ("binary", None, b""),
        ("binary", b"a", b"A"),
        (AMOUNT, Decimal("0.00000001"), Decimal("0.00000002")),
        (AMOUNT, Decimal("9999999999.99999999"), Decimal("9999999999.99999998")),
        (AMOUNT, Decimal(1), Decimal(-1)),
        (TIME, NOON, NOON + timedelta(microseconds=1)),
        (TIME, NOON, NOON.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("date", date(2025, 11, 10), date(2025, 11, 11)),
        (MAP, None, {}),
        (MAP, {"a": "1", "b": "2"}, {"a": "2", "b": "1"}),
        (MAP, {"a": None}, {"a": "-"}),
        (MAP, {"a": '1","b":"2'}, {"a": "1", "b": "2"}),
        (HEADERS, None, []),
        (HEADERS, [{"name": "a", "value": None}], [{"name": "a", "value": b""}]),
        (HEADERS, [{"name": n, "value": b""} for n in "ab"], [{"name": n, "value": b""} for n in "ba"]),
    ],
)
def test_two_values_are_spelt_in_two_ways(kind: str, one: Any, other: Any) -> None:
    """A null is no empty value, and neighbours are apart."""
    assert spelt(kind, one) != spelt(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("string", "币", "币".encode()),
        ("binary", b"\xff", bytearray(b"\xff")),
        (AMOUNT, Decimal("1.5"), Decimal("1.50000000")),
        (AMOUNT, Decimal("1E-8"), Decimal("0.00000001")),
        (TIME, NOON, NOON.astimezone(timezone(timedelta(hours=9)))),
        (TIME, NOON, 1_762_776_000_000_001),
        (MAP, {"b": "2", "a": "1"}, [("a", "1"), ("b", "2")]),
        (MAP, {"a": "1"}, [{"key": "a", "value": "1"}]),
    ],
)
def test_a_value_is_spelt_in_one_way_however_an_engine_gives_it(kind: str, one: Any, other: Any) -> None:
    """Zones, trailing zeros, and maps as lists are an engine's own business."""
    assert spelt(kind, one) == spelt(kind, other)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (AMOUNT, 1.5),
        (AMOUNT, Decimal("0.000000001")),
        (TIME, NOON.replace(tzinfo=None)),
        ("binary", "text"),
        ("long", "1"),
        ("date", "2025-11-10"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any) -> None:
    """A float has lost digits already, and a time without a zone is any of many."""
    with pytest.raises(TypeError):
        spelt(kind, value)


def test_rows_are_compared_in_no_order_but_each_as_often_as_it_is_there() -> None:
    """A row that is there twice is not the same as once."""
    assert spelt("long", 2, 1) == spelt("long", 1, 2)
    assert spelt("long", 1, 1, 2) != spelt("long", 1, 2, 2)


def test_a_row_without_a_column_is_refused() -> None:
    """An engine that gives fewer columns is not taken for one that has nulls."""
    with pytest.raises(KeyError):
        canonical(CONTRACT, [{"exchange": "KRAKEN"}])
