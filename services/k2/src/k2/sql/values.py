"""Values of ClickHouse as JSON and text have them: decimals with every digit, times in UTC. Pure.

A value comes as ``k2.sql.warm_reader`` reads it: times and dates as numbers, text as bytes.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array, Map, Nested, Tuple
from clickhouse_connect.datatypes.numeric import BigInt
from clickhouse_connect.datatypes.special import SimpleAggregateFunction
from clickhouse_connect.datatypes.temporal import Date, DateTime, DateTime64

from k2_shared.core.times import iso

Change = Callable[[Any], Any]
_UNIX_EPOCH = date(1970, 1, 1)
_ZONE = "+00:00"
_encode = msgspec.json.Encoder().encode


def plain(kind: ClickHouseType) -> Change:
    """How a type's values become what JSON has: decimals and integers of more than 64 bits are text, for their digits.

    So are the keys of maps, and whatever JSON does not have.
    """
    change = _plain(kind)
    return lambda value: None if value is None else change(value)


def _plain(kind: ClickHouseType) -> Change:
    match kind:
        case DateTime64():
            return partial(moment, scale=kind.scale)
        case DateTime():
            return moment
        case Date():
            return day
        case SimpleAggregateFunction():
            return _plain(kind.element_type)
        case Array():
            return _list(plain(kind.element_type))
        case Map():
            return _map(plain(kind.key_type), plain(kind.value_type))
        case Tuple() | Nested():
            return _tuple(kind) if isinstance(kind, Tuple) else _list(_tuple(kind))
        case BigInt():
            return str
    return _any


def _list(change: Change) -> Change:
    return lambda value: [change(each) for each in value]


def _map(key: Change, value: Change) -> Change:
    return lambda found: {cell(key(name)): value(each) for name, each in found.items()}


def _tuple(kind: Tuple | Nested) -> Change:
    """Of named elements an object, of others a list."""
    names, changes = kind.element_names, [plain(each) for each in kind.element_types]

    def change(value: Any) -> Any:
        parts = value.values() if isinstance(value, dict) else value
        changed = [change(part) for change, part in zip(changes, parts, strict=True)]
        return dict(zip(names, changed, strict=True)) if names else changed

    return change


def _any(value: Any) -> Any:
    """A value by what it is in Python."""
    match value:
        case bool() | int() | float() | str() | None:
            return value
        case Decimal():
            return f"{value:f}"
        case bytes():
            return text(value)
        case dict():
            return {str(name): _any(each) for name, each in value.items()}
        case list() | tuple():
            return [_any(each) for each in value]
    return str(value)


def moment(ticks: int, scale: int = 0) -> str:
    """A time in parts of a second since the epoch, ``scale`` digits of them, as ISO 8601 in UTC with all of them."""
    seconds, part = divmod(ticks, 10**scale)
    whole = iso(seconds * 1_000_000, "seconds")
    return f"{whole.removesuffix(_ZONE)}.{part:0{scale}d}{_ZONE}" if scale else whole


def day(number: int) -> str:
    """A day since the epoch, as ISO 8601."""
    return (_UNIX_EPOCH + timedelta(days=number)).isoformat()


def text(found: bytes) -> str:
    """Text, or the bytes' hexadecimal digits after ``0x`` where they are no UTF-8."""
    try:
        return found.decode()
    except UnicodeDecodeError:
        return f"0x{found.hex()}"


def cell(value: Any) -> str:
    """A plain value as text: nothing for null, JSON for what has parts."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | dict() | list():
            return _encode(value).decode()
    return str(value)
