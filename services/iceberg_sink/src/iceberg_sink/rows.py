"""Arrow rows of Kafka records, a batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.core.errors import Halt, InvalidRecord
from k2_shared.core.origin import received_ns
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.trade import Schemas, decode

_TIME = pa.timestamp("us", tz="UTC")

ToRows = Callable[[RecordBatch], pa.Table]


def envelope(schema: pa.Schema) -> ToRows:
    """Make rows of bronze: the record as it stands in Kafka, decodable or not."""

    def rows(batch: RecordBatch) -> pa.Table:
        received = _times([_receipt_us(record) for record in batch])
        columns = {
            "message_key": [_text(record.key) for record in batch],
            "avro_payload": [record.value for record in batch],
            "topic": [record.topic for record in batch],
            "partition": [record.partition for record in batch],
            "offset": [record.offset for record in batch],
            "kafka_timestamp": _times([record.timestamp * 1_000 for record in batch]),
            "ingestion_timestamp": received,
            "ingestion_date": received.cast(pa.date32()),
        }
        return pa.table(columns, schema=schema)

    return rows


def trades(schema: pa.Schema, schemas: Mapping[str, Schemas]) -> ToRows:
    """Make rows of silver and gold: the decoded trade and what the table derives from its exchange time, in UTC.

    ``schemas`` are what the records of each topic may be written with.
    """

    def rows(batch: RecordBatch) -> pa.Table:
        decoded = [_decoded(record, schemas[record.topic]) for record in batch]
        columns: dict[str, Any] = {name: [trade[name] for trade in decoded] for name in decoded[0]}
        columns["vendor_data"] = [None if data is None else list(data.items()) for data in columns["vendor_data"]]
        for name in ("timestamp", "ingestion_timestamp"):
            columns[name] = _times(columns[name])
        columns["exchange_date"] = columns["timestamp"].cast(pa.date32())
        columns["exchange_hour"] = pc.hour(columns["timestamp"]).cast(pa.int32())
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)

    return rows


def gathered(parts: Sequence[pa.Table], sort_by: Sequence[str]) -> pa.Table:
    """Put the parts of a batch together as one table, sorted by ``sort_by``."""
    table = pa.concat_tables(parts)
    return table.sort_by([(name, "ascending") for name in sort_by]) if sort_by else table


def _decoded(record: Consumed, schemas: Schemas) -> dict[str, Any]:
    try:
        return decode(record.value, schemas)
    except InvalidRecord as error:
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        raise Halt(f"{where} should hold a validated trade but cannot be decoded: {error}") from None


def _receipt_us(record: Consumed) -> int:
    received = received_ns(record.headers)
    return record.timestamp * 1_000 if received is None else received // 1_000


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "backslashreplace")


def _times(microseconds: list[int]) -> Any:
    return pa.array(microseconds, pa.int64()).cast(_TIME)
