"""The trade as a value, its two encodings (Avro alone, and the registry's wire format around it), and its schemas."""

import io
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from fastavro import parse_schema, schemaless_writer

from k2_shared.core import avro
from k2_shared.core.contracts import trade_schema, venues
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Record

if TYPE_CHECKING:
    Exchange = str
else:
    Exchange = Literal[tuple(venues())]  # what decodes records and settings by type refuses any other
Side = Literal["BUY", "SELL"]

DECIMAL_PRECISION = 18
DECIMAL_SCALE = 8
DECIMAL_LIMIT = 10 ** (DECIMAL_PRECISION - DECIMAL_SCALE)
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
_LONG_LIMIT = 2**63
_MAGIC = 0
_WIRE = struct.Struct(">BI")
WIRE_PREFIX_BYTES = _WIRE.size

FIELDS = tuple(field["name"] for field in trade_schema()["fields"])
"""Of a trade, by the contract."""
_PARSED = parse_schema(trade_schema())
_EXCHANGE_ENUM = "Exchange"
_ADDABLE = ("long", "string", {"type": "map", "values": "string"})


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that trades are written with: the exchanges of its enum, in order, its fields, and its records' reader.

    ``unknown`` are the fields that a newer contract added, which are passed over here.
    """

    exchanges: tuple[str, ...]
    fields: tuple[str, ...]
    unknown: tuple[str, ...]
    read: Callable[[bytes, int], tuple[dict[str, Any], int]]

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Self:
        """What a schema of trades says."""
        (exchanges,) = (field["type"]["symbols"] for field in schema["fields"] if field["name"] == "exchange")
        fields = tuple(field["name"] for field in schema["fields"])
        return cls(tuple(exchanges), fields, fields[len(FIELDS) :], avro.reader(schema))


CONTRACT_SCHEMA = WriterSchema.of(trade_schema())
Schemas = Mapping[int, WriterSchema | None]
"""Every schema that the registry has for a topic, by its id; None for one that is no trade's as it is read here."""


def contract_under(schema_id: int) -> Schemas:
    """The contract's schema alone, under an id: for who does not ask the registry."""
    return {schema_id: CONTRACT_SCHEMA}


def _but_exchanges(schema: Any) -> Any:
    """A schema without its documentation and its exchanges: what tells how its records are laid out."""
    match schema:
        case list():
            return [_but_exchanges(each) for each in schema]
        case dict():
            free = {"doc", "symbols"} if schema.get("name") == _EXCHANGE_ENUM else {"doc"}
            return {name: _but_exchanges(each) for name, each in schema.items() if name not in free}
    return schema


def readable(schema: Any) -> WriterSchema | None:
    """What a registered schema says; None where it differs from the contract's in more than time brings.

    Exchanges may be fewer or more, in any order: a venue was added after or before the records were written. So may be
    nullable fields at the end.
    """
    found, contract = _but_exchanges(schema), _but_exchanges(trade_schema())
    if not isinstance(found, dict) or {**found, "fields": contract["fields"]} != contract:
        return None
    fields, shared = found["fields"], min(len(FIELDS), len(found["fields"]))
    added = fields[shared:] or contract["fields"][shared:]
    if fields[:shared] != contract["fields"][:shared] or not all(map(is_addition, added)):
        return None
    return WriterSchema.of(schema)


def is_addition(field: Mapping[str, Any]) -> bool:
    """Whether a field can be added to the contract: null by default, and of a type that is read and laid out."""
    match field:
        case {"type": ["null", kind], "default": None}:
            return any(kind == known for known in _ADDABLE)
    return False


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


def schema_ids(records: Iterable[Record]) -> set[int]:
    """The ids that the values of a batch claim."""
    prefixes = {value[:WIRE_PREFIX_BYTES] for record in records if (value := record.value)}
    wired = [_WIRE.unpack(prefix) for prefix in prefixes if len(prefix) == WIRE_PREFIX_BYTES]
    return {schema_id for magic, schema_id in wired if magic == _MAGIC}


def decode(value: bytes | None, schemas: Schemas) -> dict[str, Any]:
    """Decode a record value in any legal spelling: the contract's fields, times as int64 microseconds.

    A field that its schema lacks is null; one that the contract lacks is passed over.

    Raises:
        InvalidRecord: with one of the reasons ``null_value``, ``bad_magic``, ``unknown_schema``,
            ``unreadable_schema``, ``undecodable``, ``not_canonical``, ``oversized`` or ``trailing_bytes``.
    """
    if value is None:
        raise InvalidRecord("null_value", "the record has no value")
    if len(value) < WIRE_PREFIX_BYTES or value[0] != _MAGIC:
        raise InvalidRecord("bad_magic", f"the value starts with {value[:WIRE_PREFIX_BYTES].hex()!r}")
    (_, found) = _WIRE.unpack_from(value)
    if found not in schemas:
        raise InvalidRecord("unknown_schema", f"schema id {found}, the registry has {sorted(schemas)}")
    schema = schemas[found]
    if schema is None:
        raise InvalidRecord("unreadable_schema", f"schema id {found} is registered, and differs from the contract's")
    record, end = schema.read(value, WIRE_PREFIX_BYTES)
    if end != len(value):
        raise InvalidRecord("trailing_bytes", f"{len(value) - end} bytes after the record")
    return record if schema.fields == FIELDS else {name: record.get(name) for name in FIELDS}


def decode_as_contract(value: bytes | None) -> dict[str, Any]:
    """Decode a record value by the contract's schema, under whatever id it claims: for who does not ask the registry.

    Raises:
        InvalidRecord: as ``decode``, but never ``unknown_schema``.
    """
    return decode(value, contract_under(claimed_schema(value)))


def claimed_schema(value: bytes | None) -> int:
    """The schema id in the prefix of a value; without meaning where it has no whole prefix."""
    return int.from_bytes((value or b"")[1:WIRE_PREFIX_BYTES])


def message_id(value: bytes | None) -> str:
    """The first field of an encoded trade, read without decoding the rest.

    Raises:
        InvalidRecord: ``undecodable`` or ``not_canonical``: there is none.
    """
    found, _ = avro.text(value or b"", WIRE_PREFIX_BYTES)
    return found
