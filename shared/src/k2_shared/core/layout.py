"""Where the fields of a batch of encoded trades stand, and what its numbers say: every field of all records at once.

Avro has no index: a field starts where the one before it ends. So all records are walked in step, field after
field of the contract, each step an array operation over the batch. A record that is not laid out as almost all are
(another schema, truncated, a decimal of more than eight bytes, a map in blocks, …) is only marked as not ``plain``:
its owner decodes it alone, by ``trade.decode``. What is plain is so by the rules of ``k2_shared.core.avro``, though not
every legal spelling is plain, and whether its texts are UTF-8 is left to who reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from k2_shared.core.avro import INT_BYTES, LONG_BYTES, RECORD_BYTES
from k2_shared.core.contracts import trade_schema
from k2_shared.core.trade import CONTRACT_SCHEMA, WIRE_PREFIX_BYTES, Schemas, WriterSchema, wire_prefix

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Span = tuple[Longs, Longs]
"""Where a field starts in each record, and how long it is."""

EXCHANGE_FIELD = "exchange"
"""Its symbols may differ from schema to schema."""
TRADE_FIELDS = [(each["name"], each["type"]) for each in trade_schema()["fields"]]
"""The fields of a trade, and their types."""
_WORD_BYTES = 8
_MAP_ENTRIES = 8
_PADDING = bytes(64)  # whatever a broken record claims, a step ends within it
_HIGH = 0x80
_LAST_SHIFT = 63  # of which a number of 64 bits has one bit left


class Entries(NamedTuple):
    """The maps of a batch: how many entries each has, and the places of the first, second, … key and value of all."""

    counts: Longs
    texts: Sequence[tuple[Span, Span]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a batch, by name; what stands in a row that is not ``plain`` means nothing.

    ``numbers`` are longs, unscaled decimals, and the numbers of an enum's symbols, which for the exchange are those of
    the row's own schema ``writers[writer]``; ``present`` says where a field that may be null is not.
    """

    data: Bytes
    plain: Flags
    writers: Sequence[WriterSchema]
    writer: Longs
    places: dict[str, Span] = field(default_factory=dict)
    numbers: dict[str, Longs] = field(default_factory=dict)
    present: dict[str, Flags] = field(default_factory=dict)
    maps: dict[str, Entries] = field(default_factory=dict)


def lay_out(
    values: Sequence[bytes | None], schemas: Schemas, fields: Sequence[tuple[str, Any]] = TRADE_FIELDS
) -> Layout:
    """Walk a batch of record values in the registry's wire format; ``fields`` are a contract's, with their types."""
    known = [value or b"" for value in values]
    lengths = np.fromiter(map(len, known), np.int64, len(known))
    end = np.cumsum(lengths)
    start = end - lengths
    plain = (lengths > WIRE_PREFIX_BYTES) & (lengths <= RECORD_BYTES)
    data = np.frombuffer(b"".join([*known, _PADDING]), np.uint8)
    found = Layout(data, plain, *_writers(data, plain, start, schemas))
    walk = _Walk(found, start, end)
    for name, kind in fields:
        walk.pass_over(name, kind)
    plain &= walk.at == end
    return found


def window(data: Bytes, start: Longs, columns: Longs) -> Bytes:
    """The bytes in so many columns from each start, as a matrix."""
    found: Bytes = data[np.clip(start[:, None] + columns, 0, len(data) - 1)]
    return found


def words(data: Bytes, start: Longs) -> Longs:
    """The eight bytes from each start, as a big-endian number."""
    overlapping = np.ndarray((len(data) - _WORD_BYTES + 1,), ">i8", data, strides=(1,))
    return np.asarray(overlapping[start], np.int64)


def equals(data: Bytes, start: Longs, wanted: Sequence[bytes], which: Longs) -> Flags:
    """Whether the bytes from ``start`` begin with the wanted ones, of which ``which`` says which."""
    lengths = np.array([len(each) for each in wanted])
    columns = np.arange(lengths.max(initial=0))
    joined = b"".join(each.ljust(len(columns), b"\0") for each in wanted)
    table = np.frombuffer(joined, np.uint8).reshape(len(wanted), len(columns))
    same = (window(data, start, columns) == table[which]) | (columns >= lengths[which][:, None])
    return np.asarray(same.all(axis=1), np.bool_)


def is_text(data: bytes) -> bool:
    """Whether a reader of the schema can decode it."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def keep_texts(found: Layout, rows: Longs, places: Sequence[Span]) -> None:
    """Of these rows, one with a text that is no UTF-8 is not plain."""
    for row in rows.tolist():
        pieces = (found.data[start[row] :][: length[row]] for start, length in places)
        found.plain[row] = all(is_text(piece.tobytes()) for piece in pieces)


def _writers(data: Bytes, plain: Flags, start: Longs, schemas: Schemas) -> tuple[list[WriterSchema], Longs]:
    """The schemas that a batch is written with, and which each record; mostly all with that of the first one."""
    which, known = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
    by_prefix = {wire_prefix(schema_id): schema for schema_id, schema in schemas.items() if schema}
    first = data[:WIRE_PREFIX_BYTES].tobytes()
    found: list[WriterSchema] = []
    for prefix in sorted(by_prefix, key=lambda prefix: prefix != first):
        same = equals(data, start, [prefix], np.zeros_like(which))
        known |= same
        which[same] = len(found)
        found.append(by_prefix[prefix])
        if known.all():
            break
    plain &= known
    return found or [CONTRACT_SCHEMA], which


class _Walk:
    """The place in every record of a batch."""

    def __init__(self, found: Layout, start: Longs, end: Longs) -> None:
        self._found = found
        self._data, self._plain, self._end = found.data, found.plain, end
        self._limit = len(found.data) - len(_PADDING)
        self._exchanges = np.array([len(writer.exchanges) for writer in found.writers])[found.writer]
        self.at = np.minimum(start + WIRE_PREFIX_BYTES, self._limit)

    def pass_over(self, name: str, kind: Any) -> None:
        """Note where a field stands, or what it says."""
        found, start = self._found, self.at
        match kind:
            case "string":
                found.places[name] = self._span()
            case "long" | {"type": "long"}:
                found.numbers[name] = self._number()
            case {"logicalType": "decimal"}:
                found.numbers[name] = self._decimal()
            case {"symbols": symbols}:
                found.numbers[name] = self._index(self._exchanges if name == EXCHANGE_FIELD else len(symbols))
            case ["null", "long"]:
                found.present[name] = self._present(name)
                found.numbers[name] = self._number(found.present[name])
            case ["null", "string"]:
                found.present[name] = self._present(name)
                found.places[name] = self._span(found.present[name])
            case _:
                found.present[name] = self._present(name)
                found.maps[name] = self._entries(found.present[name])
                found.places[name] = start, self.at - start

    def _present(self, name: str) -> Flags:
        """Read whether a field is not null, which one that a record's schema lacks is."""
        written = np.array([name in writer.fields for writer in self._found.writers])[self._found.writer]
        return np.asarray(self._index(2, None if written.all() else written) == 1, np.bool_)

    def _number(self, active: Flags | None = None, *, most: int = LONG_BYTES) -> Longs:
        """Read a zig-zag variable-length integer of at most so many bytes; where not ``active``, stay and give 0."""
        at = self.at
        byte = self._data[at]
        found = (byte & 0x7F).astype(np.uint64)
        more = byte >= _HIGH
        at = at + 1
        for shift in range(7, 7 * most, 7):
            if not more.any():
                break
            byte = np.where(more, self._data[at], np.uint8(0))
            if shift == _LAST_SHIFT:
                self._refuse(byte > 1, active)
            found |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
            at = at + more
            more = byte >= _HIGH
        self._refuse(more | (at > self._end), active)
        number: Longs = (found >> np.uint64(1)).astype(np.int64) ^ -(found & np.uint64(1)).astype(np.int64)
        at = np.minimum(at, self._limit)
        self.at = at if active is None else np.where(active, at, self.at)
        return number if active is None else number * active

    def _refuse(self, broken: Flags, active: Flags | None) -> None:
        """What is broken is not plain, unless it is not read at all."""
        self._keep(~broken if active is None else ~(broken & active))

    def _keep(self, sound: Flags) -> None:
        self._plain &= sound

    def _index(self, count: int | Longs, active: Flags | None = None) -> Longs:
        """Read the number of an enum's symbol or a union's branch; one below ``count``, which may differ by record."""
        found = self._number(active, most=INT_BYTES)
        self._keep((found >= 0) & (found < count))
        return found

    def _span(self, active: Flags | None = None) -> Span:
        """Pass over a string or bytes; where it starts and how long it is."""
        length = self._number(active)
        start = self.at
        self._keep((length >= 0) & (length <= self._end - start))
        length = np.where(self._plain, length, 0)
        self.at = start + length
        return start, length

    def _decimal(self) -> Longs:
        """Read a big-endian two's complement of at most eight bytes."""
        start, length = self._span()
        self._keep((length >= 1) & (length <= _WORD_BYTES))
        found: Longs = words(self._data, start) >> 8 * (_WORD_BYTES - np.clip(length, 1, _WORD_BYTES))
        return found

    def _entries(self, present: Flags) -> Entries:
        """Pass over maps of strings: one block, few entries."""
        count = self._number(present)
        self._keep((count >= 0) & (count <= _MAP_ENTRIES))
        texts = []
        for number in range(int(count[self._plain].max(initial=0))):
            inside = present & (number < count)
            texts.append((self._span(inside), self._span(inside)))
        self._keep(self._number(present & (count > 0)) == 0)
        return Entries(np.where(self._plain, count, 0), texts)
