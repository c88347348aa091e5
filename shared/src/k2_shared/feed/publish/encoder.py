"""The fast way from a trade to its V3 value: Python source made once from ``trade_v3.avsc``.

For every field of the schema there is a piece of the value: constant for a symbol, or an expression over a trade.
What this way cannot take (a negative or too large number, a decimal that does not fit, a text too long) goes the
way of ``k2_shared.core.trade.encode``, which encodes it or says why it cannot; both give the same bytes.
"""

import io
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache, lru_cache
from typing import Any

from fastavro import parse_schema, schemaless_writer

from k2_shared.core.contracts import trade_schema
from k2_shared.core.trade import DECIMAL_PRECISION, DECIMAL_SCALE, Exchange, Trade, encode

Encode = Callable[[Trade, int], bytes]
"""From a trade, and the microsecond of its receipt, to its record value; refuses as ``k2_shared.core.trade.encode``."""

_DIGITS = 20
_SHORT = 256


def _varint(number: int) -> bytes:
    """Avro's variable-length number, seven bits a byte from the lowest, of a number that is zig-zag already."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# Two bytes that are not the last of a number, for every fourteen bits: times and ids differ in their low bits.
_PAIRS = [bytes((bits & 0x7F | 0x80, bits >> 7 | 0x80)) for bits in range(1 << 14)]
_LENGTHS = [_varint(2 * size) for size in range(_SHORT)]


@lru_cache(256)
def _key(text: str) -> bytes:
    data = text.encode()
    return _LENGTHS[len(data)] + data


def _map(said: Mapping[str, str]) -> bytes:
    """A map of strings: one block and the end, or only the end."""
    if not said:
        return b"\x00"
    block = _LENGTHS[len(said)]
    for name, value in said.items():
        text = value.encode()
        block += _key(name) + _LENGTHS[len(text)] + text
    return block + b"\x00"


_NAMES: dict[str, Any] = {
    "PAIRS": _PAIRS,
    "LENGTHS": _LENGTHS,
    "VARINT": _varint,
    "TAIL": lru_cache(4096)(_varint),
    "MAP": _map,
    "REFERENCE": encode,
    "QUANTUM": Decimal(1).scaleb(-DECIMAL_SCALE),
    # With these traps quantize is exact or raises: no digit beyond the scale, none beyond the precision.
    "CONTEXT": Context(prec=DECIMAL_PRECISION, traps=[Inexact, InvalidOperation]),
}

# Where the value of a field is the same for all trades of a symbol.
_CONSTANTS: Mapping[str, Callable[[str, str], str]] = {
    "symbol": lambda exchange, symbol: symbol,
    "exchange": lambda exchange, symbol: exchange,
    "currency": lambda exchange, symbol: symbol.rpartition("/")[2],
}
# Where it is not: the variable of the generated function that holds it.
_VARIABLES = {
    "timestamp": "timestamp",
    "price": "price",
    "quantity": "quantity",
    "side": "side",
    "source_sequence": "number",
    "ingestion_timestamp": "ingestion_us",
    "vendor_data": "said",
}
_FUNCTION = """
def make(heads, prefix, {constants}):
    quantize, scaleb = CONTEXT.quantize, CONTEXT.scaleb
    def encode(trade, ingestion_us):
        _, _, number, timestamp, price, quantity, side, said = trade
        try:
            if (number | timestamp | ingestion_us) >> 63:
                return REFERENCE(trade, ingestion_us, prefix)
            digits = b"%d" % number
            size = len(digits)
            {statements}
            return b"".join(({pieces}))
        except (ArithmeticError, LookupError, ValueError):
            return REFERENCE(trade, ingestion_us, prefix)
    return encode
"""


def encoder(exchange: Exchange, symbol: str, prefix: bytes) -> Encode:
    """The encoder of one symbol's trades, behind the wire format's prefix; give it no other trades.

    It returns a record value or raises InvalidRecord: ``decimal_overflow``, ``trade_id_overflow`` or
    ``timestamp_overflow``.
    """
    identity = f"{exchange}:{symbol}:".encode()
    heads = [prefix + _varint(2 * (len(identity) + size)) + identity for size in range(_DIGITS)]
    constants = [b"".join(_constant(name, exchange, symbol) for name in run) for run in _plan()[1]]
    made: Encode = _make()(heads, prefix, *constants)
    return made


@cache
def _make() -> Callable[..., Encode]:
    """Compile the function that makes the encoders: only schema and symbol table of this module go into it."""
    pieces, runs, statements = _plan()
    constants = ", ".join(f"c{number}" for number in range(len(runs)))
    source = _FUNCTION.format(
        constants=constants, pieces=", ".join(pieces), statements="\n            ".join(statements)
    )
    scope = dict(_NAMES)
    exec(compile(source, "<trade_v3>", "exec"), scope)  # noqa: S102  # as namedtuple does; nothing foreign is in it
    made: Callable[..., Encode] = scope["make"]
    return made


@cache
def _plan() -> tuple[list[str], list[list[str]], list[str]]:
    """Walk the schema: the pieces of a value, the runs of constant fields among them, and what is computed before."""
    pieces: list[str] = []
    runs: list[list[str]] = []
    statements: list[str] = []
    for field in trade_schema()["fields"]:
        name = field["name"]
        if name in _CONSTANTS:
            if not pieces or pieces[-1] != f"c{len(runs) - 1}":
                runs.append([])
                pieces.append(f"c{len(runs) - 1}")
            runs[-1].append(name)
        elif name in ("message_id", "trade_id"):
            pieces += ["heads[size]" if name == "message_id" else "LENGTHS[size]", "digits"]
        else:
            before, found = piece(field["type"], _VARIABLES[name])
            statements += before
            pieces += found
    return pieces, runs, statements


def piece(avro: Any, name: str) -> tuple[list[str], list[str]]:
    """What is computed for a variable of an Avro type, and its pieces of the value."""
    match avro:
        case {"logicalType": "decimal"}:
            return _decimal(name)
        case "long" | {"type": "long"}:
            return _long(name)
        case {"type": "enum", "symbols": symbols}:
            return [], [f"{ {symbol: _varint(2 * index) for index, symbol in enumerate(symbols)} }[{name}]"]
        case ["null", {"type": "map", "values": "string"}]:
            return [], [f"b'\\x00' if {name} is None else b'\\x02' + MAP({name})"]
        case ["null", inner]:
            before, found = piece(inner, name)
            return before, ["b'\\x02'", *found]
        case _:
            raise TypeError(f"no encoder for the Avro type {avro!r} of {name}: add it to the encoder")


def _decimal(name: str) -> tuple[list[str], list[str]]:
    """The unscaled number in as few bytes as hold its sign, and before them their count."""
    before = [
        f"{name} = int(scaleb(quantize({name}, QUANTUM), {DECIMAL_SCALE}))",
        f"{name}_size = {name}.bit_length() + 8 >> 3",
    ]
    return before, [f"LENGTHS[{name}_size]", f"{name}.to_bytes({name}_size, 'big', signed=True)"]


def _long(name: str) -> tuple[list[str], list[str]]:
    """A number that is not negative, doubled: zig-zag."""
    pairs = f"PAIRS[{name}_z & 16383] + PAIRS[{name}_z >> 14 & 16383] + TAIL({name}_z >> 28)"
    return [f"{name}_z = {name} << 1"], [f"{pairs} if {name}_z >> 28 else VARINT({name}_z)"]


def _constant(name: str, exchange: Exchange, symbol: str) -> bytes:
    buffer = io.BytesIO()
    avro = next(field["type"] for field in trade_schema()["fields"] if field["name"] == name)
    schemaless_writer(buffer, parse_schema(avro), _CONSTANTS[name](exchange, symbol))
    return buffer.getvalue()
