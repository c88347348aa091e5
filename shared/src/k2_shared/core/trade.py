"""The trade as a value, and its two encodings: Avro alone, and the registry's wire format around it."""

import io
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from fastavro import parse_schema, schemaless_writer

from k2_shared.core import avro
from k2_shared.core.contracts import trade_schema
from k2_shared.core.errors import InvalidRecord

Exchange = Literal["BINANCE", "KRAKEN"]
Side = Literal["BUY", "SELL"]

DECIMAL_PRECISION = 18
DECIMAL_SCALE = 8
DECIMAL_LIMIT = 10 ** (DECIMAL_PRECISION - DECIMAL_SCALE)
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
_LONG_LIMIT = 2**63
_MAGIC = 0
_WIRE = struct.Struct(">BI")
WIRE_PREFIX_BYTES = _WIRE.size

_PARSED = parse_schema(trade_schema())
_READ = avro.reader(trade_schema())


class Trade(NamedTuple):
    """One executed trade; times are microseconds since the epoch, UTC; ``side`` is the taker's.

    A tuple, because every trade of a venue is made once: a frozen dataclass takes four times as long.
    """

    exchange: Exchange
    symbol: str
    trade_id: int
    timestamp: int
    price: Decimal
    quantity: Decimal
    side: Side
    vendor_data: Mapping[str, str] | None = None

    @property
    def message_id(self) -> str:
        """The trade's only identity."""
        return f"{self.exchange}:{self.symbol}:{self.trade_id}"

    @property
    def key(self) -> bytes:
        """The record key: all trades of one symbol of one exchange are in one partition, in order."""
        return record_key(self.exchange, self.symbol)


def record_key(exchange: Exchange, symbol: str) -> bytes:
    """The key of every record of a symbol: EXCHANGE:SYMBOL."""
    return f"{exchange}:{symbol}".encode()


def fits(value: Decimal) -> bool:
    """Whether decimal(18,8) holds the value without rounding."""
    return value.is_finite() and -DECIMAL_LIMIT < value < DECIMAL_LIMIT and value == value.quantize(_QUANTUM)


def wire_prefix(schema_id: int) -> bytes:
    """The five bytes before every value: magic 0 and the schema's id."""
    return _WIRE.pack(_MAGIC, schema_id)


def encode(trade: Trade, ingestion_us: int, prefix: bytes) -> bytes:
    """Encode a trade as a record value.

    Raises:
        InvalidRecord: the schema cannot hold it; ``decimal_overflow``, ``trade_id_overflow`` or
            ``timestamp_overflow``.
    """
    for name, value in (("price", trade.price), ("quantity", trade.quantity)):
        if not fits(value):
            raise InvalidRecord("decimal_overflow", f"{trade.message_id}: {name} {value} does not fit decimal(18,8)")
    for name, number in (("trade_id", trade.trade_id), ("timestamp", trade.timestamp)):
        if not -_LONG_LIMIT <= number < _LONG_LIMIT:
            raise InvalidRecord(f"{name}_overflow", f"{trade.message_id}: {name} {number} does not fit 64 bits")
    buffer = io.BytesIO(prefix)
    buffer.seek(len(prefix))
    schemaless_writer(buffer, _PARSED, _record(trade, ingestion_us))
    return buffer.getvalue()


def _record(trade: Trade, ingestion_us: int) -> dict[str, Any]:
    return {
        "message_id": trade.message_id,
        "trade_id": str(trade.trade_id),
        "symbol": trade.symbol,
        "exchange": trade.exchange,
        "timestamp": trade.timestamp,
        "price": trade.price.quantize(_QUANTUM),  # exact: it fits; the writer refuses zeros beyond the scale
        "quantity": trade.quantity.quantize(_QUANTUM),
        "currency": trade.symbol.rpartition("/")[2],
        "side": trade.side,
        "source_sequence": trade.trade_id,
        "ingestion_timestamp": ingestion_us,
        "vendor_data": trade.vendor_data,
    }


def decode(value: bytes | None, schema_id: int) -> dict[str, Any]:
    """Decode a record value in any legal spelling: the schema's twelve fields, times as int64 microseconds.

    Raises:
        InvalidRecord: with one of the reasons ``null_value``, ``bad_magic``, ``unknown_schema``, ``undecodable``,
            ``not_canonical``, ``oversized`` or ``trailing_bytes``.
    """
    if value is None:
        raise InvalidRecord("null_value", "the record has no value")
    if len(value) < WIRE_PREFIX_BYTES or value[0] != _MAGIC:
        raise InvalidRecord("bad_magic", f"the value starts with {value[:WIRE_PREFIX_BYTES].hex()!r}")
    (_, found) = _WIRE.unpack_from(value)
    if found != schema_id:
        raise InvalidRecord("unknown_schema", f"schema id {found}, expected {schema_id}")
    record, end = _READ(value, WIRE_PREFIX_BYTES)
    if end != len(value):
        raise InvalidRecord("trailing_bytes", f"{len(value) - end} bytes after the record")
    return record


def message_id(value: bytes | None) -> str:
    """The first field of an encoded trade, read without decoding the rest.

    Raises:
        InvalidRecord: ``undecodable`` or ``not_canonical``: there is none.
    """
    found, _ = avro.text(value or b"", WIRE_PREFIX_BYTES)
    return found
