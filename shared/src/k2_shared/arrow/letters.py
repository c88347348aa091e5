"""Dead letters as rows of Arrow: the refused record whole, and what its headers say of the refusal."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.arrays import BYTES, TEXT, TIME
from k2_shared.arrow.envelopes import envelopes
from k2_shared.core import letter_headers
from k2_shared.core.letter_headers import number
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.trade import schema_ids

HEADERS = pa.list_(pa.struct([("name", TEXT), ("value", BYTES)]))
_LATEST_NS = 2**32 * 10**9
_ENVELOPE = ("message_key", "topic", "partition", "offset", "kafka_timestamp", "ingestion_timestamp")
_TEXTS = ("reason", "detail", "stage", "service", "version")


def letters(batch: RecordBatch) -> pa.Table:
    """The envelope of each letter, who refused it when and why, and where the record had stood.

    What another writer's record does not say is empty, zero or null; the time of a refusal is Kafka's then.
    """
    said = [letter_headers.said(record.headers) for record in batch]
    envelope = envelopes(batch)
    columns = {name: envelope[name] for name in _ENVELOPE} | {name: _texts(said, name) for name in _TEXTS}
    columns |= {
        "value": envelope["avro_payload"],
        "attempt": pa.array([number(each.get("attempt"), 9) or 0 for each in said], pa.int32()),
        "refused_at": pc.coalesce(pa.array(map(_refused_us, said), TIME), envelope["kafka_timestamp"]),
        "source_topic": _texts(said, "topic"),
        "source_partition": pa.array([number(each.get("partition"), 9) for each in said], pa.int32()),
        "source_offset": pa.array([number(each.get("offset"), 18) for each in said], pa.int64()),
        "schema_id": pa.array([_schema_id(record) for record in batch], pa.int64()),
        "headers": pa.array([_headers(record) for record in batch], HEADERS),
    }
    return pa.table(columns)


def _refused_us(said: Mapping[str, str]) -> int | None:
    """When a letter was refused, None where it says nothing that a TTL could hold."""
    at = number(said.get("time"), 19)
    return None if at is None or at >= _LATEST_NS else at // 1_000


def _schema_id(record: Consumed) -> int | None:
    """The schema id that a value claims, None where it is in no wire format."""
    return next(iter(schema_ids([record])), None)


def _headers(record: Consumed) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in record.headers]


def _texts(said: Iterable[Mapping[str, str]], name: str) -> pa.Array:
    return pa.array([each.get(name, "") for each in said], TEXT)
