"""The Iceberg sink with rows as it made them before: records decoded one by one, columns as lists of Python objects.

Run as a module it is the whole sink, in nothing else another.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fastavro import parse_schema, schemaless_reader

from iceberg_sink import main, rows
from iceberg_sink.rows import ToRows
from k2_shared.core.contracts import trade_schema
from k2_shared.core.origin import received_ns
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.trade import WIRE_PREFIX_BYTES, Schemas, decode

_TIME = pa.timestamp("us", tz="UTC")
_LONGS = [{**each, "type": "long"} if each["name"].endswith("timestamp") else each for each in trade_schema()["fields"]]
_FASTAVRO = parse_schema({**trade_schema(), "fields": _LONGS})

DecodeOne = Callable[[bytes | None, Schemas], Mapping[str, Any]]


def by_fastavro(value: bytes | None, _schemas: Schemas) -> Any:
    """The fields of a value, which is taken to be of the contract's schema."""
    return schemaless_reader(io.BytesIO((value or b"")[WIRE_PREFIX_BYTES:]), _FASTAVRO, None)


def envelope(schema: pa.Schema) -> ToRows:
    """Make rows of bronze."""

    def made(batch: RecordBatch) -> pa.Table:
        received = _times([_receipt_us(record) for record in batch])
        columns = {
            "message_key": [None if record.key is None else record.key.decode() for record in batch],
            "avro_payload": [record.value for record in batch],
            "topic": [record.topic for record in batch],
            "partition": [record.partition for record in batch],
            "offset": [record.offset for record in batch],
            "kafka_timestamp": _times([record.timestamp * 1_000 for record in batch]),
            "ingestion_timestamp": received,
            "ingestion_date": received.cast(pa.date32()),
        }
        return pa.table(columns, schema=schema)

    return made


def trades(schema: pa.Schema, schemas: Mapping[str, Schemas], one: DecodeOne = decode) -> ToRows:
    """Make rows of silver and gold; ``one`` decodes a value."""

    def made(batch: RecordBatch) -> pa.Table:
        decoded = [one(record.value, schemas[record.topic]) for record in batch]
        columns: dict[str, Any] = {name: [trade[name] for trade in decoded] for name in decoded[0]}
        columns["vendor_data"] = [None if data is None else list(data.items()) for data in columns["vendor_data"]]
        for name in ("timestamp", "ingestion_timestamp"):
            columns[name] = _times(columns[name])
        columns["exchange_date"] = columns["timestamp"].cast(pa.date32())
        columns["exchange_hour"] = pc.hour(columns["timestamp"]).cast(pa.int32())
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)

    return made


def _receipt_us(record: Consumed) -> int:
    received = received_ns(record.headers)
    return record.timestamp * 1_000 if received is None else received // 1_000


def _times(microseconds: Sequence[int]) -> Any:
    return pa.array(microseconds, pa.int64()).cast(_TIME)


if __name__ == "__main__":
    rows.envelope, rows.trades = envelope, trades
    main.main()
