"""One trade in many spellings: the same record, written with the freedoms that Avro leaves its writers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from k2_shared.core.avro import DECIMAL_BYTES, INT_BYTES, LONG_BYTES
from k2_shared.core.contracts import trade_schema
from k2_shared.core.trade import Trade, wire_prefix
from k2_support.records import SCHEMA_ID, fields

_MANY = 1_000


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a writer writes: sign bytes before each decimal, bytes of each number at least, entries of each map's block.

    A negative number of entries is a block with its size; what is left is one block more, if anything is.
    """

    signs: int = 0
    number_bytes: int = 1
    blocks: Sequence[int] = ()

    def write(self, trade_fields: Mapping[str, Any], schema_id: int = SCHEMA_ID) -> bytes:
        """The record value of a trade's twelve fields."""
        said = ((field["type"], trade_fields[field["name"]]) for field in trade_schema()["fields"])
        return wire_prefix(schema_id) + b"".join(self.piece(kind, value) for kind, value in said)

    def piece(self, kind: Any, value: Any) -> bytes:
        """One value of an Avro type of the schema."""
        match kind:
            case "string":
                return self._sized(value.encode())
            case "long" | {"type": "long"}:
                return number(value, min(self.number_bytes, LONG_BYTES))
            case {"logicalType": "decimal", "scale": scale}:
                return self._sized(self._decimal(value, scale))
            case {"symbols": symbols}:
                return number(symbols.index(value), min(self.number_bytes, INT_BYTES))
            case {"values": "string"}:
                return self._map(value)
            case ["null", some]:
                branch = number(int(value is not None), min(self.number_bytes, INT_BYTES))
                return branch if value is None else branch + self.piece(some, value)
        raise ValueError(f"no spelling of the Avro type {kind!r}")

    def _sized(self, data: bytes) -> bytes:
        return number(len(data), self.number_bytes) + data

    def _decimal(self, value: Decimal, scale: int) -> bytes:
        unscaled = int(value.scaleb(scale))
        length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
        return unscaled.to_bytes(length + self.signs, "big", signed=True)

    def _map(self, said: Mapping[str, str]) -> bytes:
        entries = [self._sized(key.encode()) + self._sized(value.encode()) for key, value in said.items()]
        written = b""
        for block in self.blocks:
            entries, taken = entries[abs(block) :], entries[: abs(block)]
            written += self._block(taken, sized=block < 0)
        return written + self._block(entries, sized=False) + number(0, self.number_bytes)

    def _block(self, entries: list[bytes], *, sized: bool) -> bytes:
        if not entries:
            return b""
        data = b"".join(entries)
        if not sized:
            return number(len(entries), self.number_bytes) + data
        return number(-len(entries), self.number_bytes) + self._sized(data)


def number(value: int, at_least: int = 1) -> bytes:
    """A zig-zag variable-length number in so many bytes or more."""
    bits = (value << 1) ^ (value >> 63)
    septets = [bits >> shift & 0x7F for shift in range(0, max(bits.bit_length(), 7 * at_least, 1), 7)]
    return bytes([septet | 0x80 for septet in septets[:-1]] + [septets[-1]])


PLAIN = Spelling()
NAMED: Mapping[str, Spelling] = {
    "a decimal with one sign byte": Spelling(signs=1),
    "a decimal with as many sign bytes as are read": Spelling(signs=DECIMAL_BYTES - 9),
    "a number in five bytes": Spelling(number_bytes=INT_BYTES),
    "a number in ten bytes": Spelling(number_bytes=LONG_BYTES),
    "a map with its size": Spelling(blocks=(-_MANY,)),
    "a map in blocks": Spelling(blocks=(1, 1)),
    "a map in blocks with their sizes": Spelling(blocks=(-1, -1, -1)),
    "all at once": Spelling(signs=3, number_bytes=4, blocks=(1, -1)),
}
"""Spellings that every reader takes, by what is odd about them."""


def spellings() -> st.SearchStrategy[Spelling]:
    """Any legal spelling of a trade whose decimals fit their type."""
    return st.builds(
        Spelling,
        signs=st.integers(0, DECIMAL_BYTES - 9),
        number_bytes=st.integers(1, LONG_BYTES),
        blocks=st.lists(st.integers(1, 3) | st.integers(-3, -1), max_size=4).map(tuple),
    )


def spelt(of: Trade, schema_id: int = SCHEMA_ID) -> Iterator[tuple[str, bytes]]:
    """One trade in each named spelling."""
    said = fields(of)
    return ((name, spelling.write(said, schema_id)) for name, spelling in NAMED.items())
