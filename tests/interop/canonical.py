"""One spelling of a row, whoever read it: engines agree where their texts are equal.

Null is ``-``. Decimals are unscaled integers, times are microseconds since 1970 in UTC, days are ISO dates, text and
bytes are quoted and hexadecimal, a map has its keys in order and a list its own order; so no two values share a
spelling, and a null is no empty text, map or list.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from k2_shared.core.contracts import TableContract

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALE = 8


def canonical(contract: TableContract, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Spell the rows of a table, a text each, in an order that is the texts' own.

    Raises:
        KeyError: a row lacks a column of the contract.
        TypeError: a value is not of its column's type, for example a float or a time without its zone.
    """
    return sorted("|".join(_spelt(column.type, row[column.name]) for column in contract.columns) for row in rows)


def _spelt(kind: str, value: Any) -> str:
    return "-" if value is None else _SPELLINGS[kind](value)


def _integer(value: Any) -> str:
    return str(_of(value, int))


def _decimal(value: Any) -> str:
    digits = _of(value, Decimal).scaleb(_SCALE)
    if digits != int(digits):
        raise TypeError(f"{value} has more than {_SCALE} places")
    return f"{int(digits)}"


def _time(value: Any) -> str:
    """Engines give times with a zone; one that has none to give counts the microseconds itself."""
    if isinstance(value, int):
        return str(value)
    if _of(value, datetime).utcoffset() is None:
        raise TypeError(f"{value} does not say its zone")
    return str((value - _UNIX_EPOCH) // timedelta(microseconds=1))


def _day(value: Any) -> str:
    return str(_of(value, date).isoformat())


def _text(value: Any) -> str:
    """Of an engine whose text is bytes, it is UTF-8."""
    return json.dumps(value.decode() if isinstance(value, bytes) else _of(value, str))


def _bytes(value: Any) -> str:
    return f"x{bytes(_of(value, bytes, bytearray)).hex()}"


def _map(value: Any) -> str:
    pairs = value.items() if isinstance(value, Mapping) else map(_pair, _of(value, list))
    return "{" + ",".join(sorted(f"{_text(name)}:{_spelt('string', said)}" for name, said in pairs)) + "}"


def _pair(entry: Any) -> Sequence[Any]:
    """An entry of a map that came as a list of them."""
    return (entry["key"], entry["value"]) if isinstance(entry, Mapping) else _of(entry, tuple)


def _headers(value: Any) -> str:
    return "[" + ",".join(f"{_spelt('string', h['name'])}:{_spelt('binary', h['value'])}" for h in value) + "]"


def _of(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"{value!r} is of {type(value).__name__}, not of {' or '.join(k.__name__ for k in kinds)}")
    return value


_SPELLINGS: Mapping[str, Callable[[Any], str]] = {
    "binary": _bytes,
    "date": _day,
    f"decimal(18, {_SCALE})": _decimal,
    "int": _integer,
    "list<struct<name: string, value: binary>>": _headers,
    "long": _integer,
    "map<string, string>": _map,
    "string": _text,
    "timestamptz": _time,
}
