"""A table's columns are the rows' own or derived from them, exact, in the types that the table has."""

from datetime import date
from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.arrow.envelopes import envelopes
from k2_shared.arrow.letters import letters
from k2_shared.arrow.tables import DERIVED, QUOTE_VOLUME, as_table, quote_volume
from k2_shared.arrow.trades import TRADE_ROWS, decode_values
from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_support.records import SCHEMAS, trade, value

DECIMAL = pa.decimal128(18, 8)
MOST = 10**18 - 1
UNSCALED = st.sampled_from([MOST, -MOST, 0, 1, -1]) | st.integers(-MOST, MOST)
EXACT = Context(prec=40)
ROWS = decode_values([value(trade()), value(trade(timestamp=-1, vendor_data=None))], SCHEMAS).rows


def _decimals(unscaled: list[int]) -> pa.ChunkedArray:
    return pa.chunked_array([[Decimal(number).scaleb(-8) for number in unscaled]], DECIMAL)


def _check(pairs: list[tuple[int, int]]) -> None:
    found = quote_volume(*(_decimals([pair[of] for pair in pairs]) for of in (0, 1)))
    assert found.type == QUOTE_VOLUME
    assert found.to_pylist() == [Decimal(price * quantity).scaleb(-16, EXACT) for price, quantity in pairs]


@given(st.lists(st.tuples(UNSCALED, UNSCALED), min_size=1))
def test_the_quote_volume_is_exact(pairs: list[tuple[int, int]]) -> None:
    """Price times quantity with all sixteen digits, of any two decimals that a trade has."""
    _check(pairs)


def test_the_quote_volume_of_the_widest_decimals_is_exact() -> None:
    """It has 36 digits of the 38 that there are."""
    _check([(MOST, MOST), (-MOST, MOST), (-MOST, -MOST), (1, 1), (MOST, -1), (0, MOST)])


def test_day_and_hour_are_of_the_exchanges_time_in_utc() -> None:
    """And what is derived is made where the table has it."""
    schema = pa.schema([("exchange_date", pa.date32()), ("exchange_hour", pa.int32()), ("quote_volume", QUOTE_VOLUME)])
    volume = Decimal("105433.60000000") * Decimal("0.00027625")
    assert as_table(ROWS, schema).to_pylist() == [
        {"exchange_date": date(2025, 11, 10), "exchange_hour": 17, "quote_volume": volume},
        {"exchange_date": date(1969, 12, 31), "exchange_hour": 23, "quote_volume": volume},
    ]


@pytest.mark.parametrize("table", contracts.tables().values(), ids=lambda table: table.name)
def test_every_column_of_every_table_is_had_or_derived(table: TableContract) -> None:
    """What a contract says beyond the record's own has its function here."""
    had = {"trade_v3": ROWS, "envelope": envelopes([]), "letter": letters([])}[table.rows].column_names
    assert {column.name for column in table.columns} <= {*had, *DERIVED}


def test_columns_come_in_the_tables_types() -> None:
    """Few strings as a dictionary, short ones with short offsets, and a map of such."""
    wanted = pa.schema(
        [
            ("exchange", pa.dictionary(pa.int8(), pa.string())),
            ("symbol", pa.string()),
            ("vendor_data", pa.map_(pa.string(), pa.string())),
        ]
    )
    found = as_table(ROWS, wanted)
    assert found.schema == wanted
    assert found.to_pylist() == [
        {"exchange": "KRAKEN", "symbol": "BTC/USDT", "vendor_data": [("ord_type", "limit")]},
        {"exchange": "KRAKEN", "symbol": "BTC/USDT", "vendor_data": None},
    ]


def test_what_a_type_cannot_hold_is_an_error() -> None:
    """No digit is rounded away."""
    with pytest.raises(pa.ArrowInvalid, match="data loss"):
        as_table(ROWS, pa.schema([("price", pa.decimal128(18, 0))]))


def test_a_column_that_another_engine_added_is_null() -> None:
    """Whatever its type; no row says anything of it."""
    found = as_table(ROWS, pa.schema([("exchange", pa.string()), ("vwap", DECIMAL)]))
    assert found["vwap"].to_pylist() == [None] * len(ROWS)
    assert found["vwap"].type == DECIMAL


@pytest.mark.parametrize("name", contracts.tables())
def test_every_column_of_a_contract_has_a_source(name: str) -> None:
    """Of a record, or derived: none of ours is null because nobody makes it."""
    contract = contracts.tables()[name]
    of = {"envelope": envelopes([]), "letter": letters([]), "trade_v3": TRADE_ROWS.empty_table()}[contract.rows]
    assert {column.name for column in contract.columns} <= {*of.column_names, *DERIVED}
