"""What a record's row in the lake must be, said a second time and apart from the code that makes it; pure."""

import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from k2_shared.core.contracts import TableContract
from k2_shared.core.records import Consumed
from k2_shared.core.trade import Schemas, decode

Row = tuple[Any, ...]
"""A row's values in the order of its table's columns; maps and lists as tuples."""
_UNIX_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
_RECEIPT = struct.Struct(">BqQQB")
_TEXTS = ("reason", "detail", "stage", "service", "version")


def expected(contract: TableContract, records: Iterable[Consumed], schemas: Schemas) -> list[Row]:
    """A table's rows for records of its topics."""
    made = _ROWS[contract.rows]
    return [_in_order(contract, made(record, schemas)) for record in records]


def found(contract: TableContract, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of a table as its reader has them, in the same form; columns of others are left out."""
    return [_in_order(contract, row) for row in rows]


def _in_order(contract: TableContract, row: Mapping[str, Any]) -> Row:
    return tuple(_plain(row[column.name]) for column in contract.columns)


def _plain(value: Any) -> Any:
    """A value that can be counted; of a map its order means nothing."""
    match value:
        case dict():
            return tuple(sorted(value.items()))
        case [dict(), *_]:
            return tuple(tuple(each.values()) for each in value)
        case [(_, _), *_]:
            return tuple(sorted(value))
        case list():
            return tuple(value)
    return value


def _at(microseconds: int) -> datetime:
    return _UNIX_BEGAN + timedelta(microseconds=microseconds)


def _envelope(record: Consumed, _schemas: Schemas) -> dict[str, Any]:
    headers = dict(record.headers)
    at_us = record.timestamp * 1_000
    received = _at(int(_RECEIPT.unpack(headers["k2-origin"])[1]) // 1_000 if "k2-origin" in headers else at_us)
    return {
        "message_key": None if record.key is None else record.key.decode(),
        "avro_payload": record.value,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "kafka_timestamp": _at(at_us),
        "ingestion_timestamp": received,
        "ingestion_date": received.date(),
    }


def _trade(record: Consumed, schemas: Schemas) -> dict[str, Any]:
    row = decode(record.value, schemas)
    moment = _at(row["timestamp"])
    return {
        **row,
        "timestamp": moment,
        "ingestion_timestamp": _at(row["ingestion_timestamp"]),
        "exchange_date": moment.date(),
        "exchange_hour": moment.hour,
    }


def _letter(record: Consumed, schemas: Schemas) -> dict[str, Any]:
    said = {name.removeprefix("k2-dlq-"): value for name, value in record.headers if name.startswith("k2-dlq-")}
    numbers = {name: int(value) for name, value in said.items() if value.isdigit()}
    envelope, value = _envelope(record, schemas), record.value or b""
    refused = _at(numbers["time"] // 1_000) if "time" in numbers else envelope["kafka_timestamp"]
    return {
        **envelope,
        **{name: said.get(name, b"").decode() for name in _TEXTS},
        "value": record.value,
        "headers": [{"name": name, "value": given} for name, given in record.headers],
        "attempt": numbers.get("attempt", 0),
        "refused_at": refused,
        "refused_date": refused.date(),
        "source_topic": said.get("topic", b"").decode(),
        "source_partition": numbers.get("partition"),
        "source_offset": numbers.get("offset"),
        "schema_id": int.from_bytes(value[1:5]) if len(value) >= 5 and value[0] == 0 else None,
    }


_ROWS: dict[str, Callable[[Consumed, Schemas], dict[str, Any]]] = {
    "envelope": _envelope,
    "trade_v3": _trade,
    "letter": _letter,
}
