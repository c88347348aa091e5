"""A batch of encoded trades decoded column by column: every field of all records at once.

Avro has no index: a field starts where the one before it ends. So all records are walked in step, field after
field, each step an array operation over the batch. A record that is anything but an ordinary trade (another
schema, truncated, a null sequence, a decimal of more than eight bytes, non-ASCII text, …) is only marked as not
``plain``: its owner decodes it alone, by ``trade.decode``, and decides.

Facts: Apache Avro 1.12 specification, "Binary Encoding".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from k2_shared.contracts import trade_schema
from k2_shared.trade import wire_prefix

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_ENUMS = {field["name"]: field["type"]["symbols"] for field in trade_schema()["fields"] if "symbols" in field["type"]}
_VARINT_BYTES = 10
_DECIMAL_BYTES = 8
_TRADE_ID_DIGITS = 18
_MAP_ENTRIES = 8
_HIGH = 0x80


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

    def number(self, active: Flags | None = None) -> Longs:
        """Read a zig-zag variable-length integer; where ``active`` says no, stay and give 0."""
        at = self.at
        byte = self.data[at]
        found = (byte & 0x7F).astype(np.uint64)
        more = byte >= _HIGH
        at = at + 1
        for shift in range(7, 7 * _VARINT_BYTES, 7):
            if not more.any():
                break
            byte = np.where(more, self.data[at], np.uint8(0))
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

    def index(self, count: int) -> Longs:
        """Read the number of an enum's symbol or a union's branch; one below ``count``."""
        found = self.number()
        self.plain &= (found >= 0) & (found < count)
        return found

    def span(self) -> tuple[Longs, Longs]:
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
        longest = int(length[self.plain].max(initial=0))
        for position in range(1, longest):
            inside = position < length
            found = np.where(inside, (found << 8) | self._byte(start + position), found)
        return found

    def text_map(self) -> None:
        """Pass over a nullable map of strings: one block, few entries, ASCII."""
        start = self.at
        present = self.index(2) == 1
        count = self.number(present)
        self.plain &= (count >= 0) & (count <= _MAP_ENTRIES)
        for number in range(int(count[self.plain].max(initial=0))):
            for _ in ("key", "value"):
                inside = present & (number < count)
                length = self.number(inside)
                self.plain &= (length >= 0) & (length <= self.end - self.at)
                self.at = self.at + np.where(self.plain & inside, length, 0)
        closing = self.number(present & (count > 0))
        self.plain &= closing == 0
        high = np.flatnonzero(self.data >= _HIGH)
        self.plain &= np.searchsorted(high, start) == np.searchsorted(high, self.at)

    def equals(self, rows: Any, start: Longs, wanted: bytes) -> Flags:
        """Whether the bytes from ``start`` are the wanted ones, for some rows."""
        window = start[rows][:, None] + np.arange(len(wanted))
        same = self.data[np.minimum(window, self.limit)] == np.frombuffer(wanted, np.uint8)
        return np.asarray(same.all(axis=1), np.bool_)

    def _byte(self, at: Longs) -> Longs:
        return self.data[np.minimum(at, self.limit)].astype(np.int64)


def decode_columns(values: Sequence[bytes | None], keys: Sequence[bytes | None], schema_id: int) -> TradeColumns:
    """Decode a batch: record values in the registry's wire format, and their keys.

    A row is plain where the value is an ordinary trade whose id, symbol, exchange, currency, sequence and key agree.
    """
    walk = _Walk([value or b"" for value in values])
    walk.plain &= (walk.end - walk.at) > len(wire_prefix(schema_id))
    start = np.minimum(walk.at, walk.limit)
    walk.plain &= walk.equals(slice(None), start, wire_prefix(schema_id))
    walk.at = np.minimum(start + len(wire_prefix(schema_id)), walk.limit)

    message_id, trade_id, symbol = walk.span(), walk.span(), walk.span()
    exchange, timestamp = walk.index(len(_ENUMS["exchange"])), walk.number()
    price, quantity = walk.decimal(), walk.decimal()
    currency, side = walk.span(), walk.index(len(_ENUMS["side"]))
    walk.plain &= walk.index(2) == 1
    sequence = walk.number()
    walk.number()  # ingestion_timestamp
    walk.text_map()
    walk.plain &= walk.at == walk.end

    _check_digits(walk, trade_id, sequence)
    symbols, codes = _distinct(keys)
    for code, key in enumerate(symbols):
        _check_symbol(
            walk, np.flatnonzero(walk.plain & (codes == code)), key, message_id, trade_id, symbol, currency, exchange
        )
    return TradeColumns(walk.plain, symbols, codes, sequence, timestamp, price, quantity, side)


def _distinct(keys: Sequence[bytes | None]) -> tuple[list[bytes], Longs]:
    """The distinct keys, and which each record has."""
    known: dict[bytes, int] = {}
    codes = np.fromiter((known.setdefault(key or b"", len(known)) for key in keys), np.int64, len(keys))
    return list(known), codes


def _check_digits(walk: _Walk, trade_id: tuple[Longs, Longs], sequence: Longs) -> None:
    """The trade id is decimal digits without a leading zero, and the sequence is the same number."""
    start, length = trade_id
    walk.plain &= (length >= 1) & (length <= _TRADE_ID_DIGITS) & (walk._byte(start) != ord("0"))
    found = np.zeros_like(sequence)
    for position in range(int(length[walk.plain].max(initial=0))):
        inside = position < length
        digit = walk._byte(start + position) - ord("0")
        walk.plain &= ~inside | ((digit >= 0) & (digit <= 9))
        found = np.where(inside, found * 10 + digit, found)
    walk.plain &= found == sequence


def _check_symbol(
    walk: _Walk,
    rows: Longs,
    key: bytes,
    message_id: tuple[Longs, Longs],
    trade_id: tuple[Longs, Longs],
    symbol: tuple[Longs, Longs],
    currency: tuple[Longs, Longs],
    exchange: Longs,
) -> None:
    """Records of one key: EXCHANGE:SYMBOL, and every field says the same."""
    venue, _, pair = key.partition(b":")
    _, _, quote = pair.partition(b"/")
    fits = (message_id[1][rows] == len(key) + 1 + trade_id[1][rows]) & walk.equals(rows, message_id[0], key + b":")
    for (start, length), wanted in ((symbol, pair), (currency, quote)):
        fits &= (length[rows] == len(wanted)) & walk.equals(rows, start, wanted)
    named = venue.decode("ascii", "replace")
    fits &= exchange[rows] == (_ENUMS["exchange"].index(named) if named in _ENUMS["exchange"] else -1)
    tail = message_id[0] + len(key) + 1
    for position in range(int(trade_id[1][rows].max(initial=0))):
        inside = position < trade_id[1][rows]
        fits &= ~inside | (walk._byte(tail[rows] + position) == walk._byte(trade_id[0][rows] + position))
    walk.plain[rows] = fits
