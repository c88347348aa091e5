"""Rows as a table has them: its columns in its types, those among them that are derived from others."""

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.arrays import days, hours
from k2_shared.core.trade import DECIMAL_SCALE

QUOTE_VOLUME = pa.decimal128(38, 2 * DECIMAL_SCALE)
"""As many digits as 128 bits hold, and the product of two decimals of a trade has two fewer at most."""


def quote_volume(price: pa.ChunkedArray, quantity: pa.ChunkedArray) -> pa.ChunkedArray:
    """Price times quantity, exact."""
    return pc.multiply(price, quantity).cast(QUOTE_VOLUME)


DERIVED: Mapping[str, Callable[[pa.Table], pa.Array | pa.ChunkedArray]] = {
    "exchange_date": lambda rows: days(rows["timestamp"]),
    "exchange_hour": lambda rows: hours(rows["timestamp"]),
    "refused_date": lambda rows: days(rows["refused_at"]),
    "quote_volume": lambda rows: quote_volume(rows["price"], rows["quantity"]),
}
"""The columns that tables have beyond a trade's or a letter's own, by name; day and hour are those of UTC."""


def as_table(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns that a table has, in its types: strings may be its dictionaries, and whatever casts exactly.

    One that rows neither have nor derive, as another engine may have added it, is null.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit its type.
    """
    return pa.table([_column(rows, field) for field in schema], schema=schema)


def _column(rows: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if field.name not in rows.column_names and field.name not in DERIVED:
        return pa.nulls(len(rows), field.type)
    column = rows[field.name] if field.name in rows.column_names else DERIVED[field.name](rows)
    return column if column.type.equals(field.type, check_metadata=True) else column.cast(field.type)
