"""A record in words: its key, headers and value, by what its topic's contract says of them. Pure."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from k2_shared.core import origin
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.origin import Headers, Origin
from k2_shared.core.records import Consumed
from k2_shared.core.times import iso
from k2_shared.core.trade import decode_as_contract

Format = Literal["avro", "json", "raw"]


def described(record: Consumed, value_format: Format) -> dict[str, Any]:
    """One record as ``k2 tail --json`` shows it."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": text(record.key),
        "time": moment(record.timestamp * 1_000),
        "headers": headers(record.headers),
        "value": value(record.value, value_format),
    }


def value(found: bytes | None, value_format: Format) -> Any:
    """A value: a trade's fields, what JSON holds, or text; what is none of these as hexadecimal digits.

    A topic without a format may hold any of them: a dead letter is what was refused. A trade that cannot be decoded
    says why under ``undecodable``.
    """
    if found is None:
        return None
    if value_format == "avro" or (value_format == "raw" and found[:1] == b"\0"):
        return trade(found)
    try:
        return json.loads(found)
    except ValueError:
        return text(found)


def trade(found: bytes) -> dict[str, Any]:
    """A trade by the schema id that its bytes claim: decimals as text, times as ISO 8601."""
    try:
        fields = decode_as_contract(found)
    except InvalidRecord as error:
        return {"undecodable": str(error), "hex": found.hex()}
    return plain(fields)


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A trade's fields with decimals as text, without an exponent, and times as ISO 8601."""
    return {name: _plain(name, each) for name, each in fields.items()}


def _plain(name: str, field: Any) -> Any:
    if isinstance(field, Decimal):
        return f"{field:f}"
    return moment(field) if name.endswith("timestamp") else field


def headers(found: Headers) -> dict[str, Any]:
    """Headers by name, the origin in words; of several with one name the last."""
    return {name: _origin(each) if name == origin.HEADER else text(each) for name, each in found}


def _origin(packed: bytes | None) -> Any:
    try:
        return origin_words(Origin.unpack(packed or b""))
    except ValueError as error:
        return {"unreadable": str(error)}


def origin_words(found: Origin) -> Mapping[str, Any]:
    """The frame that a record came from: how and when it was received, over which connection, as the how manieth."""
    return {
        "source": found.source.name.lower(),
        "received": moment(found.received_ns // 1_000),
        "connection": found.connection_id,
        "frame": found.frame_number,
    }


def text(found: bytes | None) -> str | None:
    """Bytes as text, or as hexadecimal digits after ``0x`` where they are none."""
    if found is None:
        return None
    try:
        said = found.decode()
    except UnicodeDecodeError:
        return f"0x{found.hex()}"
    return said if said.isprintable() or "\n" in said else f"0x{found.hex()}"


def moment(microseconds: int) -> str:
    """A time in microseconds since the epoch, as ISO 8601 with all of them."""
    return iso(microseconds, "microseconds")
