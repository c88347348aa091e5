"""What a record's row in the warm tier must be, said a second time and apart from the code that makes it."""

import json
import struct
from collections.abc import Iterable, Mapping
from decimal import Context
from typing import Any

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Consumed
from k2_shared.core.trade import Schemas, decode
from k2_support.warm_tables import Row

_EXACT = Context(prec=60)
_RECEIPT = struct.Struct(">BqQQB")
_TRADE = ("trade_id", "timestamp", "price", "quantity", "side", "source_sequence")


def expected(table: str, records: Iterable[Consumed], schemas: Schemas) -> list[Row]:
    """The rows of a table for all records of its topics, by place."""
    rows = [{**_ROWS[table](record, schemas), **_place(record)} for record in records]
    return sorted(rows, key=lambda row: (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]))


def _place(record: Consumed) -> Row:
    return {
        "kafka_topic": record.topic.encode(),
        "kafka_partition": record.partition,
        "kafka_offset": record.offset,
    }


def _receipt(record: Consumed) -> int:
    headers = dict(record.headers)
    if "k2-origin" not in headers:
        return record.timestamp * 1_000
    return int(_RECEIPT.unpack(headers["k2-origin"])[1]) // 1_000


def _raw(record: Consumed, _schemas: Schemas) -> Row:
    venue, symbol = (record.key or b"").split(b":")
    return {
        "exchange": venue,
        "symbol": symbol,
        "frame": record.value,
        "ingestion_timestamp": _receipt(record),
        "kafka_timestamp": record.timestamp,
    }


def _bronze(record: Consumed, schemas: Schemas) -> Row:
    trade = _trade_or_none(record, schemas)
    envelope = _raw(record, schemas)
    envelope["avro_payload"] = envelope.pop("frame") or b""
    return {**envelope, "message_key": record.key, **{name: trade[name] for name in _TRADE}}


def _trade_or_none(record: Consumed, schemas: Schemas) -> Row:
    try:
        return _trade(decode(record.value, schemas))
    except InvalidRecord:
        return dict.fromkeys(_TRADE)


def _trade(fields: dict[str, Any]) -> Row:
    texts = ("exchange", "symbol", "trade_id", "currency", "message_id")
    return {**fields, **{name: fields[name].encode() for name in texts}}


def _silver(record: Consumed, schemas: Schemas) -> Row:
    row = _gold(record, schemas)
    del row["message_id"]
    return row


def _gold(record: Consumed, schemas: Schemas) -> Row:
    row = _trade(decode(record.value, schemas))
    row["quote_volume"] = _EXACT.multiply(row["price"], row["quantity"])
    row["vendor_data"] = row["vendor_data"] or {}
    return {**row, "validated_at": record.timestamp}


def _letter(record: Consumed, schemas: Schemas) -> Row:
    said = {name: value for name, value in record.headers if name.startswith("k2-dlq-")}
    number = {name: int(value) for name, value in said.items() if value.isdigit()}
    value = record.value or b""
    return {
        **{name: said.get(f"k2-dlq-{name}", b"") for name in ("reason", "detail", "stage", "service", "version")},
        "attempt": number.get("k2-dlq-attempt", 0),
        "refused_at": number["k2-dlq-time"] // 1_000 if "k2-dlq-time" in number else record.timestamp * 1_000,
        "source_topic": said.get("k2-dlq-topic", b""),
        "source_partition": number.get("k2-dlq-partition"),
        "source_offset": number.get("k2-dlq-offset"),
        "schema_id": int.from_bytes(value[1:5]) if len(value) >= 5 and value[0] == 0 else None,
        "message_key": record.key or b"",
        "source_sequence": _refused_id(record, said, schemas),
        "value": record.value,
        "headers": [(name.encode(), given) for name, given in record.headers],
        "ingestion_timestamp": _receipt(record),
        "kafka_timestamp": record.timestamp,
    }


def _refused_id(record: Consumed, said: Mapping[str, bytes], schemas: Schemas) -> int | None:
    """The trade id in the value, or that which a feed names of a trade in its frame."""
    own: int | None = _trade_or_none(record, schemas)["source_sequence"]
    named, _, number = said.get("k2-dlq-detail", b"").partition(b": ")[0].rpartition(b":")
    is_named = said.get("k2-dlq-stage") == b"feed" and named == record.key and number.isdigit() and len(number) <= 18
    return int(number) if own is None and is_named else own


def _gap(record: Consumed, _schemas: Schemas) -> Row:
    row: Row = json.loads(record.value or b"")
    return {**row, **{name: row[name].encode() for name in ("exchange", "symbol", "cause")}}


_ROWS = {
    "raw_trades": _raw,
    "bronze_trades": _bronze,
    "silver_trades": _silver,
    "gold_trades": _gold,
    "dead_letters": _letter,
    "gaps": _gap,
}
