"""Rows of the warm tier as a cold table has them: exact, by column, or refused by name. Pure."""

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import schema_to_pyarrow

from k2_shared.arrow.arrays import BYTES
from k2_shared.core.contracts import ColdTableContract, trade_schema
from k2_shared.core.errors import Halt
from k2_shared.lake.iceberg import schema_of

_BYTE_MAP = pa.map_(BYTES, BYTES)
_SIDES = pa.array(next(field["type"]["symbols"] for field in trade_schema()["fields"] if field["name"] == "side"))
_LONGEST_VALUE = 200


class DoesNotFit(Halt):
    """A cold table cannot hold what a row of the warm tier says: no row of its hour is written."""


def cold_rows(rows: pa.Table, contract: ColdTableContract) -> pa.Table:
    """Rows of the contract's relation, as ClickHouse gives them in Arrow, by the contract's columns and in its types.

    Rows stay in their order; what else they have is left out.

    Raises:
        DoesNotFit: a value has more digits than its column, or is no UTF-8 where that is a text; says which row's.
        KeyError: rows lack a column.
    """
    # Without ids: those of a table's columns are its catalog's to give.
    schema = schema_to_pyarrow(schema_of(contract), include_field_ids=False)
    return pa.table([_column(rows, contract, field) for field in schema], schema=schema)


def _column(rows: pa.Table, contract: ColdTableContract, field: pa.Field) -> pa.ChunkedArray:
    column = rows[field.name]
    try:
        return _cast(column, field)
    except (pa.ArrowInvalid, pa.ArrowIndexError):
        raise DoesNotFit(_told(rows.slice(_first_unfit(column, field), 1), contract, field.name)) from None


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """The column in the field's type; ClickHouse gives a side, its only enum, as a number from 1."""
    if pa.types.is_integer(column.type) and pa.types.is_large_string(field.type):
        return pc.take(_SIDES, pc.subtract(column, 1)).cast(field.type)
    return _unchecked(column).cast(field.type)


def _unchecked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as bytes: ClickHouse says of any bytes that they are a text, and Arrow believes it."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_map(kind):
        return column.cast(_BYTE_MAP)
    return column.cast(BYTES) if pa.types.is_string(kind) or pa.types.is_binary(kind) else column


def _first_unfit(column: pa.ChunkedArray, field: pa.Field) -> int:
    """The number of the first row whose value does not fit."""
    first, end = 0, len(column)
    while end - first > 1:
        middle = (first + end) // 2
        if _fits(column.slice(first, middle - first), field):
            first = middle
        else:
            end = middle
    return first


def _fits(column: pa.ChunkedArray, field: pa.Field) -> bool:
    try:
        _cast(column, field)
    except (pa.ArrowInvalid, pa.ArrowIndexError):
        return False
    return True


def _told(row: pa.Table, contract: ColdTableContract, name: str) -> str:
    """What of which row does not fit, and what would."""
    (kind,) = (column.type for column in contract.columns if column.name == name)
    named = ", ".join(f"{each} {_shown(row[each])}" for each in ("exchange", *contract.sort_by))
    return (
        f"cold table {contract.name} cannot hold {name} {_shown(row[name])} of {named}: the column takes a {kind}; "
        f"correct the row in ClickHouse's {contract.kept_in}, and its hour can be offloaded"
    )


def _shown(one: pa.ChunkedArray) -> str:
    (value,) = _unchecked(one).to_pylist()
    said = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return said if len(said) <= _LONGEST_VALUE else f"{said[:_LONGEST_VALUE]}…"
