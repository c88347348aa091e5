"""Decodes Avro records as any writer may encode them, and refuses what is illegal or would cost too much to decode.

Avro leaves its writers choices: a decimal may carry more sign bytes than it needs, a number more bytes, and a map may
come in several blocks, each with or without its size. Whoever reads them all alike needs one place that says what is
legal and how much of it is taken. That place is here, for the decoding record by record and that by column.

Facts: Apache Avro 1.12 specification, "Binary Encoding"; what others refuse: Java's BinaryDecoder and BigInteger.
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any

from k2_shared.core.errors import InvalidRecord

LONG_BYTES = 10
"""Of a number of 64 bits, however it is padded: lengths, counts, and every long."""
INT_BYTES = 5
"""Of a number of 32 bits, however it is padded: a symbol of an enum, a branch of a union."""
DECIMAL_BYTES = 32
"""Of a decimal, however it is padded: 77 digits, and more than any table holds. Their reading takes quadratic time."""
MAP_ENTRIES = 1_024
"""Of all blocks of a map together."""
RECORD_BYTES = 1_048_576
"""Of an encoded record: as much as a topic of trades takes in one message (``schemas/topics``)."""

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads the value that starts at a byte; returns it, and where it ends.

Raises InvalidRecord: ``undecodable`` where there is no value, ``not_canonical`` where some readers find one and others
refuse it, ``oversized`` where it is more than is taken.
"""

_EXACT = Context(prec=3 * DECIMAL_BYTES)
_HIGH = 0x80
_SHIFTS = range(7, 7 * LONG_BYTES, 7)


def long(data: bytes, at: int) -> tuple[int, int]:
    """Read a zig-zag variable-length number of 64 bits."""
    try:
        number = data[at]
        if number < _HIGH:
            return (number >> 1) ^ -(number & 1), at + 1
        number, end = _long(data, at, number & 0x7F)
    except IndexError:
        raise InvalidRecord("undecodable", f"the record ends at byte {len(data)}, within a number") from None
    if number >> 64:
        raise InvalidRecord("not_canonical", "a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), end


def _long(data: bytes, at: int, number: int) -> tuple[int, int]:
    """The rest of a number of more than one byte, and where it ends."""
    for shift in _SHIFTS:
        at += 1
        byte = data[at]
        if byte < _HIGH:
            return number | byte << shift, at + 1
        number |= (byte & 0x7F) << shift
    raise InvalidRecord("undecodable", f"a number of more than {LONG_BYTES} bytes")


def text(data: bytes, at: int) -> tuple[str, int]:
    """Read a string."""
    length, start = long(data, at)
    end = start + length
    if not start <= end <= len(data):
        raise InvalidRecord("undecodable", f"{length} bytes from byte {start} of {len(data)}")
    try:
        return data[start:end].decode(), end
    except UnicodeDecodeError as error:
        raise InvalidRecord("undecodable", f"bytes that are no UTF-8: {error.reason}") from None


def decimal(scale: int) -> Read:
    """A reader of decimals with so many digits after the point, exact whatever their precision."""

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        start, end = _span(data, at)
        if end - start > DECIMAL_BYTES:
            raise InvalidRecord("oversized", f"a decimal of {end - start} bytes, allowed are {DECIMAL_BYTES}")
        if start == end:
            raise InvalidRecord("not_canonical", "a decimal without a byte, which Java refuses")
        return Decimal(int.from_bytes(data[start:end], "big", signed=True)).scaleb(-scale, _EXACT), end

    return read


def text_map(data: bytes, at: int) -> tuple[dict[str, str], int]:
    """Read a map of strings in any number of blocks; of a key that comes twice the last value counts, as in Java."""
    found: dict[str, str] = {}
    entries = 0
    count, at = long(data, at)
    while count:
        end = None
        if count < 0:
            size, at = long(data, at)
            count, end = -count, at + size
        entries += count
        if 2 * count > len(data) - at:
            raise InvalidRecord(
                "undecodable", f"a block of {count} entries in the {len(data) - at} bytes that are left"
            )
        if entries > MAP_ENTRIES:
            raise InvalidRecord("oversized", f"a map of {entries} entries and maybe more, allowed are {MAP_ENTRIES}")
        for _ in range(count):
            key, at = text(data, at)
            found[key], at = text(data, at)
        if end not in (None, at):
            raise InvalidRecord("not_canonical", f"a block that ends at byte {at} and says that it ends at {end}")
        count, at = long(data, at)
    return found, at


def reader(schema: Mapping[str, Any]) -> Callable[[bytes, int], tuple[dict[str, Any], int]]:
    """A reader of a record's fields, as a dict by their names.

    Timestamps stay int64, since a datetime would cost a microsecond of CPU each and refuse far years. What it refuses
    names the field.

    Raises:
        ValueError: the schema has a type that is not read here.
    """
    fields = [(field["name"], _of(field["type"])) for field in schema["fields"]]

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        if len(data) > RECORD_BYTES:
            raise InvalidRecord("oversized", f"a value of {len(data)} bytes, allowed are {RECORD_BYTES}")
        found = {}
        try:
            for name, of in fields:
                found[name], at = of(data, at)
        except InvalidRecord as error:
            raise InvalidRecord(error.reason, f"{name}: {error.detail}") from None
        return found, at

    return read


def _of(kind: Any) -> Read:
    """The reader of a type."""
    match kind:
        case "null":
            return lambda data, at: (None, at)
        case "string":
            return text
        case "long" | {"type": "long"}:
            return long
        case {"type": "bytes", "logicalType": "decimal", "scale": int(scale)}:
            return decimal(scale)
        case {"type": "enum", "symbols": list(symbols)}:
            return _enum(symbols)
        case {"type": "map", "values": "string"}:
            return text_map
        case [*branches]:
            return _union([_of(branch) for branch in branches])
    raise ValueError(f"no reader of the Avro type {kind!r}")


def _enum(symbols: list[str]) -> Read:
    def read(data: bytes, at: int) -> tuple[str, int]:
        number, at = _index(data, at, len(symbols))
        return symbols[number], at

    return read


def _union(branches: list[Read]) -> Read:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        number, at = _index(data, at, len(branches))
        return branches[number](data, at)

    return read


def _index(data: bytes, at: int, count: int) -> tuple[int, int]:
    """Read the number of one of so many; from below zero fastavro counts back from the end, as Python does."""
    number, end = long(data, at)
    if not -count <= number < count:
        raise InvalidRecord("undecodable", f"number {number} of {count} symbols or branches")
    if number < 0 or end - at > INT_BYTES:
        raise InvalidRecord("not_canonical", f"number {number} in {end - at} bytes, of {count} symbols or branches")
    return number, end


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Where the bytes of a string or decimal start and end."""
    length, start = long(data, at)
    if not 0 <= length <= len(data) - start:
        raise InvalidRecord("undecodable", f"{length} bytes from byte {start} of {len(data)}")
    return start, start + length
