"""A batch of encoded trades decoded column by column: every field of all records at once.

Avro has no index: a field starts where the one before it ends. So all records are walked in step, field after
field, each step an array operation over the batch. A record that is anything but an ordinary trade (another
schema, truncated, a null sequence, a decimal of more than eight bytes, text that is no UTF-8, …) is only marked as not
``plain``: its owner decodes it alone, by ``trade.decode``, and decides. What is plain is so by the rules of
``k2_shared.core.avro``, though not every legal spelling is plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from k2_shared.core.avro import INT_BYTES, LONG_BYTES, RECORD_BYTES
from k2_shared.core.contracts import trade_schema
from k2_shared.core.symbol import MAX_BYTES
from k2_shared.core.trade import CONTRACT_SCHEMA, WIRE_PREFIX_BYTES, Schemas, WriterSchema, record_key, wire_prefix

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Span = tuple[Longs, Longs]
"""Where a field starts in each record, and how long it is."""

_ENUMS = {field["name"]: field["type"]["symbols"] for field in trade_schema()["fields"] if "symbols" in field["type"]}
_DECIMAL_BYTES = 8
_TRADE_ID_DIGITS = 18
KEY_BYTES = max(len(record_key(exchange, "")) for exchange in _ENUMS["exchange"]) + MAX_BYTES
"""Of a key that a symbol may have."""
_MAP_ENTRIES = 8
_HIGH = 0x80
_LAST_SHIFT = 63  # of which a number of 64 bits has one bit left
_POWERS = 10 ** np.arange(_TRADE_ID_DIGITS)


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """The columns of a batch; what stands in a row that is not ``plain`` means nothing.

    ``price`` and ``quantity`` are unscaled (10^-8), times in microseconds, ``side`` 0 for BUY and 1 for SELL;
    ``symbols`` are the distinct keys, to which ``symbol`` points.
    """

    plain: Flags
    symbols: Sequence[bytes]
    symbol: Longs
    trade_id: Longs
    timestamp: Longs
    price: Longs
    quantity: Longs
    side: Longs


class _Walk:
    """The place in every record of a batch, and whether the record is plain so far."""

    def __init__(self, values: Sequence[bytes]) -> None:
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        self.end = np.cumsum(lengths)
        self.at = self.end - lengths
        joined = np.frombuffer(b"".join(values), np.uint8)
        self.limit = len(joined)
        # Whatever a broken record claims, a step ends within the padding.
        self.data = np.concatenate([joined, np.zeros(64, np.uint8)])
        self.plain: Flags = np.ones(len(values), np.bool_)

    def number(self, active: Flags | None = None, *, most: int = LONG_BYTES) -> Longs:
        """Read a zig-zag variable-length integer of at most so many bytes; where not ``active``, stay and give 0."""
        at = self.at
        byte = self.data[at]
        found = (byte & 0x7F).astype(np.uint64)
        more = byte >= _HIGH
        at = at + 1
        for shift in range(7, 7 * most, 7):
            if not more.any():
                break
            byte = np.where(more, self.data[at], np.uint8(0))
            if shift == _LAST_SHIFT:
                self.plain &= byte <= 1
            found |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
            at = at + more
            more = byte >= _HIGH
        whole = ~more & (at <= self.end)
        number: Longs = (found >> np.uint64(1)).astype(np.int64) ^ -(found & np.uint64(1)).astype(np.int64)
        at = np.minimum(at, self.limit)
        if active is None:
            self.plain &= whole
            self.at = at
            return number
        self.plain &= whole | ~active
        self.at = np.where(active, at, self.at)
        number *= active
        return number

    def index(self, count: int | Longs) -> Longs:
        """Read the number of an enum's symbol or a union's branch; one below ``count``, which may differ by record."""
        found = self.number(most=INT_BYTES)
        self.plain &= (found >= 0) & (found < count)
        return found

    def span(self) -> Span:
        """Pass over a string or bytes; where it starts and how long it is."""
        length = self.number()
        start = self.at
        self.plain &= (length >= 0) & (length <= self.end - start)
        length = np.where(self.plain, length, 0)
        self.at = start + length
        return start, length

    def decimal(self) -> Longs:
        """Read a big-endian two's complement of at most eight bytes."""
        start, length = self.span()
        self.plain &= (length >= 1) & (length <= _DECIMAL_BYTES)
        found = self.data[start].view(np.int8).astype(np.int64)
        for position in range(1, int(length[self.plain].max(initial=0))):
            byte = self.data[np.minimum(start + position, self.limit)]
            found = np.where(position < length, (found << 8) | byte, found)
        return found

    def text_map(self) -> None:
        """Pass over a nullable map of strings: one block, few entries, UTF-8."""
        start = self.at
        texts: list[Span] = []
        present = self.index(2) == 1
        count = self.number(present)
        self.plain &= (count >= 0) & (count <= _MAP_ENTRIES)
        for number in range(int(count[self.plain].max(initial=0))):
            for _ in ("key", "value"):
                inside = present & (number < count)
                length = self.number(inside)
                self.plain &= (length >= 0) & (length <= self.end - self.at)
                length = np.where(self.plain & inside, length, 0)
                texts.append((self.at, length))
                self.at = self.at + length
        closing = self.number(present & (count > 0))
        self.plain &= closing == 0
        high = np.flatnonzero(self.data >= _HIGH)
        odd = self.plain & (np.searchsorted(high, start) != np.searchsorted(high, self.at))
        for row in np.flatnonzero(odd).tolist():
            self.plain[row] = all(_is_text(self.data[at[row] :][: length[row]].tobytes()) for at, length in texts)

    def equals(self, start: Longs, wanted: Sequence[bytes], which: Longs) -> Flags:
        """Whether the bytes from ``start`` begin with the wanted ones, of which ``which`` says which."""
        lengths = np.array([len(each) for each in wanted])
        columns = np.arange(lengths.max(initial=0))
        joined = b"".join(each.ljust(len(columns), b"\0") for each in wanted)
        table = np.frombuffer(joined, np.uint8).reshape(len(wanted), len(columns))
        window = self.data[np.minimum(start[:, None] + columns, self.limit)]
        same = (window == table[which]) | (columns >= lengths[which][:, None])
        return np.asarray(same.all(axis=1), np.bool_)

    def reversed(self, start: Longs, length: Longs, width: int) -> Bytes:
        """The bytes of fields from their end, zeros before their start: a matrix of ``width`` columns."""
        back = np.arange(width)
        window = self.data[np.clip((start + length - 1)[:, None] - back, 0, self.limit)]
        return np.where(back < length[:, None], window, np.uint8(0))


def decode_columns(values: Sequence[bytes | None], keys: Sequence[bytes | None], schemas: Schemas) -> TradeColumns:
    """Decode a batch: record values in the registry's wire format, and their keys.

    A row is plain where the value is an ordinary trade whose id, symbol, exchange, currency, sequence and key agree.
    """
    walk = _Walk([value or b"" for value in values])
    if not values:
        return TradeColumns(walk.plain, [], *[walk.at] * 6)
    walk.plain &= ((walk.end - walk.at) > WIRE_PREFIX_BYTES) & ((walk.end - walk.at) <= RECORD_BYTES)
    writers, which = _writers(walk, values[0] or b"", schemas)
    counts = np.array([len(writer.exchanges) for writer in writers])

    message_id, trade_id, symbol = walk.span(), walk.span(), walk.span()
    exchange, timestamp = walk.index(counts[which]), walk.number()
    price, quantity = walk.decimal(), walk.decimal()
    currency, side = walk.span(), walk.index(len(_ENUMS["side"]))
    walk.plain &= walk.index(2) == 1
    sequence = walk.number()
    walk.number()  # ingestion_timestamp
    walk.text_map()
    walk.plain &= walk.at == walk.end

    _check_digits(walk, message_id, trade_id, sequence)
    symbols, codes = _distinct(keys)
    named = [key[:KEY_BYTES].partition(b":")[0].decode("ascii", "replace") for key in symbols]
    numbers = [[w.exchanges.index(name) if name in w.exchanges else -1 for name in named] for w in writers]
    walk.plain &= exchange == np.array(numbers)[which, codes]
    _check_key(walk, symbols, codes, (message_id, trade_id, symbol, currency))
    return TradeColumns(walk.plain, symbols, codes, sequence, timestamp, price, quantity, side)


def _writers(walk: _Walk, first: bytes, schemas: Schemas) -> tuple[list[WriterSchema], Longs]:
    """The schemas that a batch is written with, and which each record; mostly all with that of the ``first`` one."""
    start = np.minimum(walk.at, walk.limit)
    which, known = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
    by_prefix = {wire_prefix(schema_id): schema for schema_id, schema in schemas.items() if schema}
    found: list[WriterSchema] = []
    for prefix in sorted(by_prefix, key=lambda prefix: not first.startswith(prefix)):
        same = walk.equals(start, [prefix], np.zeros_like(which))
        known |= same
        which[same] = len(found)
        found.append(by_prefix[prefix])
        if known.all():
            break
    walk.plain &= known
    walk.at = np.minimum(start + WIRE_PREFIX_BYTES, walk.limit)
    return found or [CONTRACT_SCHEMA], which


def _distinct(keys: Sequence[bytes | None]) -> tuple[list[bytes], Longs]:
    """The distinct keys, and which each record has."""
    known: dict[bytes, int] = {}
    codes = np.fromiter((known.setdefault(key or b"", len(known)) for key in keys), np.int64, len(keys))
    return list(known), codes


def _check_digits(walk: _Walk, message_id: Span, trade_id: Span, sequence: Longs) -> None:
    """The trade id is digits without a leading zero, the sequence is the same number, the message id ends so."""
    start, length = trade_id
    walk.plain &= (length >= 1) & (length <= _TRADE_ID_DIGITS) & (walk.data[start] != ord("0"))
    width = int(length[walk.plain].max(initial=0))
    digits, tail = walk.reversed(start, length, width), walk.reversed(message_id[0], message_id[1], width)
    inside = np.arange(width) < length[:, None]
    numbers = digits.astype(np.int64) - ord("0")
    walk.plain &= (((numbers >= 0) & (numbers <= 9) & (digits == tail)) | ~inside).all(axis=1)
    walk.plain &= (np.where(inside, numbers, 0) * _POWERS[:width]).sum(axis=1) == sequence


def _check_key(walk: _Walk, symbols: Sequence[bytes], codes: Longs, fields: tuple[Span, Span, Span, Span]) -> None:
    """The key is EXCHANGE:SYMBOL, and every field of text says the same."""
    # A key that no symbol has is not compared: its length alone could take all memory.
    keys = [key if len(key) <= KEY_BYTES and _is_text(key) else b"" for key in symbols]
    pairs = [key.partition(b":")[2] for key in keys]
    wanted = [key + b":" for key in keys], pairs, [pair.partition(b"/")[2] for pair in pairs]
    message_id, trade_id, symbol, currency = fields
    head = message_id[0], message_id[1] - trade_id[1]
    for (start, length), texts in zip((head, symbol, currency), wanted, strict=True):
        lengths = np.array([len(text) for text in texts])
        walk.plain &= (length == lengths[codes]) & walk.equals(start, texts, codes)


def _is_text(data: bytes) -> bool:
    """Whether a reader of the schema can decode it."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
