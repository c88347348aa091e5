"""Types of ClickHouse as Arrow has them, and how values become such. Pure.

A value comes as ``k2.sql.warm_reader`` reads it: times and dates as numbers, text as bytes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array, Map, Nested, Tuple
from clickhouse_connect.datatypes.numeric import Bool, Decimal, Float, IntBase
from clickhouse_connect.datatypes.special import Nothing, SimpleAggregateFunction
from clickhouse_connect.datatypes.temporal import Date, DateTime, DateTime64

from k2.sql.values import Change, cell, plain

_DECIMAL128 = 38
_UNITS: Mapping[int, str] = {0: "s", 3: "ms", 6: "us", 9: "ns"}
"""Arrow's units of time, by the digits of a second."""


def arrow_type(kind: ClickHouseType) -> tuple[pa.DataType, Change]:
    """Arrow's type, and how a value, which may be null, becomes one of it; what Arrow does not have is text."""
    found, change = _arrow(kind)
    return found, lambda value: None if value is None else change(value)


def _arrow(kind: ClickHouseType) -> tuple[pa.DataType, Change]:
    match kind:
        case DateTime64():
            digits = min(each for each in _UNITS if each >= kind.scale)
            return pa.timestamp(_UNITS[digits], "UTC"), _times(10 ** (digits - kind.scale))
        case DateTime():
            return pa.timestamp("s", "UTC"), _same
        case Date():
            return pa.date32(), _same
        case Decimal():
            sized = pa.decimal128 if kind.prec <= _DECIMAL128 else pa.decimal256
            return sized(kind.prec, kind.scale), _same
        case IntBase() | Float():
            return pa.from_numpy_dtype(np.dtype(kind.np_type)), _same
        case Bool():
            return pa.bool_(), bool
        case Nothing():
            return pa.null(), _same
        case SimpleAggregateFunction():
            return _arrow(kind.element_type)
    return _of_parts(kind)


def _of_parts(kind: ClickHouseType) -> tuple[pa.DataType, Change]:
    match kind:
        case Array():
            inner, change = arrow_type(kind.element_type)
            return pa.list_(inner), lambda value: [change(each) for each in value]
        case Map():
            (keys, key), (values, value) = arrow_type(kind.key_type), arrow_type(kind.value_type)
            return pa.map_(keys, values), lambda found: [(key(name), value(each)) for name, each in found.items()]
        case Tuple():
            return _struct(kind)
        case Nested():
            inner, change = _struct(kind)
            return pa.list_(inner), lambda value: [change(each) for each in value]
    as_plain = plain(kind)
    return pa.string(), lambda value: cell(as_plain(value))


def _struct(kind: Tuple | Nested) -> tuple[pa.DataType, Change]:
    """The elements by their names, or by their numbers from 1 on."""
    names = kind.element_names or [str(number + 1) for number in range(len(kind.element_types))]
    types, changes = zip(*map(arrow_type, kind.element_types), strict=True)

    def change(value: Any) -> dict[str, Any]:
        parts = value.values() if isinstance(value, dict) else value
        return {name: of(part) for name, of, part in zip(names, changes, parts, strict=True)}

    return pa.struct(list(zip(names, types, strict=True))), change


def _same(value: Any) -> Any:
    return value


def _times(factor: int) -> Change:
    return _same if factor == 1 else lambda value: value * factor
