"""Fingerprints of rows: how many, the exact sums of two columns, and an order-free checksum over all columns; pure.

Both tiers say a row the same way, whatever types their columns have: a text, an enumeration or bytes by its bytes, a
time in microseconds, a number of any width by its value, a decimal by its value at the contract's scale, a map by its
entries in the order of their keys. A map that is null is an empty one; any other null is told from every value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from k2_shared.core.contracts import ColdTableContract, Column
from k2_shared.core.decimals import plain

_SUMMED = (("price", "quantity"), ("close", "volume"))
_ENTRIES = (
    "arraySort(arrayMap((name, value) -> (CAST(name, 'String'), CAST(value, 'Nullable(String)')), "
    "mapKeys({0}), mapValues({0})))"
)
_MICROSECONDS = "toUnixTimestamp64Micro(CAST({0}, 'Nullable(DateTime64(6, ''UTC''))'))"
_VALUES = {
    "string": "CAST({0}, 'Nullable(String)')",
    "binary": "CAST({0}, 'Nullable(String)')",
    "timestamptz": _MICROSECONDS,
    "int": "CAST({0}, 'Nullable(Int64)')",
    "long": "CAST({0}, 'Nullable(Int64)')",
    "boolean": "CAST({0}, 'Nullable(UInt8)')",
    "map<string, string>": f"toString({_ENTRIES})",
}
_WIDER = {"decimal(38, 16)": "Decimal(76, 16)"}  # a candle's total in ClickHouse, which cold may not hold
_TEXTS = {
    **{kind: f"toString({value})" for kind, value in _VALUES.items()},
    "string": "hex(CAST({0}, 'Nullable(String)'))",
    "binary": "hex(CAST({0}, 'Nullable(String)'))",
    "map<string, string>": (
        f"arrayStringConcat(arrayMap(each -> concat(hex(each.1), '=', ifNull(hex(each.2), 'N')), {_ENTRIES}), ',')"
    ),
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is compared of some rows, tolerance zero: their count, the sums by their columns, and the checksum."""

    rows: int
    sums: Mapping[str, Decimal]
    checksum: int

    def __str__(self) -> str:
        """One spelling for equal fingerprints, for a snapshot's summary."""
        sums = "".join(f" {name}={plain(total)}" for name, total in sorted(self.sums.items()))
        return f"rows={self.rows}{sums} checksum={self.checksum:x}"


def sums(contract: ColdTableContract) -> Mapping[str, str]:
    """Expressions of what is summed, by names: prices and quantities, of candles close and volume, of frames bytes."""
    names = {column.name for column in contract.columns}
    summed: Sequence[str] = next((pair for pair in _SUMMED if names.issuperset(pair)), ())
    if not summed:
        return {"bytes": "sum(CAST(length(frame), 'Decimal(76, 0)'))"}
    return {name: f"ifNull(sum(CAST({name}, 'Nullable(Decimal(76, 8))')), 0)" for name in summed}


def checksum(contract: ColdTableContract) -> str:
    """An expression of ClickHouse's: the sum of a hash of each row, which neither pairs nor an order can hide."""
    return f"sum(toUInt128({row_hash(contract)}))"


def row_hash(contract: ColdTableContract) -> str:
    """An expression of ClickHouse's: a hash over all columns of a row."""
    said = ", ".join(f"isNull({_value(column)}), {_defined(column)}" for column in contract.columns)
    return f"assumeNotNull(cityHash64({said}))"


def independent_checksum(contract: ColdTableContract) -> str:
    """As ``checksum``, but by 60 bits of MD5 over a text that any engine can make: it is what others are held against.

    Values are joined by ``|``: texts and bytes in hexadecimal, times and decimals as whole numbers, N for null.
    """
    texts = ", ".join(f"ifNull({_text(column)}, 'N')" for column in contract.columns)
    digest = f"substring(MD5(concat_ws('|', {texts})), 1, 8)"
    return f"sum(toUInt128(bitShiftRight(reinterpretAsUInt64(reverse({digest})), 4)))"


def hour_number(contract: ColdTableContract) -> str:
    """An expression of the number of a row's hour since 1970; null where it is of none."""
    return f"intDiv({_MICROSECONDS.format(contract.hour_by)}, 3600000000)"


def _value(column: Column) -> str:
    if column.type.startswith("decimal"):
        return f"CAST({column.name}, 'Nullable({_WIDER.get(column.type, column.type.title())})')"
    return _VALUES[column.type].format(column.name)


def _defined(column: Column) -> str:
    """A value that is never null: what stands for null is told from the same value by the flag beside it."""
    zero = "''" if column.type in ("string", "binary", "map<string, string>") else "0"
    return f"ifNull({_value(column)}, {zero})"


def _text(column: Column) -> str:
    if column.type.startswith("decimal"):
        scale = int(column.type.rstrip(")").split(",")[1])
        return f"toString(toInt256(CAST({column.name}, 'Nullable(Decimal(76, {scale}))') * toInt256('1{'0' * scale}')))"
    return _TEXTS[column.type].format(column.name)
