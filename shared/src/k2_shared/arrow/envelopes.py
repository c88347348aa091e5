"""Records as they stand in Kafka, decodable or not, as rows of Arrow."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from k2_shared.arrow.arrays import BYTES, TEXT, days, times
from k2_shared.core.origin import receipts
from k2_shared.core.records import RecordBatch


def envelopes(batch: RecordBatch) -> pa.Table:
    """Key, payload, place in Kafka, Kafka's time, and the frame's receipt, which without an origin is Kafka's time."""
    kafka_us = np.array([record.timestamp for record in batch], np.int64) * 1_000
    received_ns, known = receipts([record.headers for record in batch])
    received = times(np.where(known, received_ns // 1_000, kafka_us))
    columns = {
        "message_key": _as_text([record.key for record in batch]),
        "avro_payload": pa.array([record.value for record in batch], BYTES),
        "topic": pa.array([record.topic for record in batch], TEXT),
        "partition": pa.array([record.partition for record in batch], pa.int32()),
        "offset": pa.array([record.offset for record in batch], pa.int64()),
        "kafka_timestamp": times(kafka_us),
        "ingestion_timestamp": received,
        "ingestion_date": days(received),
    }
    return pa.table(columns)


def _as_text(keys: Sequence[bytes | None]) -> pa.Array:
    """Keys as strings; in one that is no UTF-8 such bytes are escaped."""
    try:
        return pa.array(keys, BYTES).cast(TEXT)
    except pa.ArrowInvalid:
        return pa.array([key if key is None else key.decode("utf-8", "backslashreplace") for key in keys], TEXT)
