"""Records as they stand in Kafka are rows, whatever they hold."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.arrow.envelopes import envelopes
from k2_shared.core.origin import HEADER, received_ns
from k2_support.records import ORIGIN, FakeRecord

ORIGINS = st.sampled_from([ORIGIN.pack(), b"", b"\x02foreign", ORIGIN.pack()[:-1], b"\x02" + ORIGIN.pack()[1:]])
HEADERS = st.lists(st.tuples(st.sampled_from([HEADER, "other"]), ORIGINS), max_size=3).map(tuple)
BYTES = st.none() | st.binary(max_size=8) | st.text(max_size=8).map(str.encode)
RECORDS = st.builds(
    FakeRecord,
    key=BYTES,
    value=BYTES,
    topic=st.text(max_size=8),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.integers(-1, 2**43),
    headers=HEADERS,
)


TIMES = {"kafka_timestamp": pa.int64(), "ingestion_timestamp": pa.int64(), "ingestion_date": pa.int32()}


def _row(record: FakeRecord) -> dict[str, Any]:
    """A record's row, made alone; times in microseconds, its date as days."""
    kafka_us, received = record.timestamp * 1_000, received_ns(record.headers)
    received_us = kafka_us if received is None else received // 1_000
    return {
        "message_key": None if record.key is None else record.key.decode("utf-8", "backslashreplace"),
        "avro_payload": record.value,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "kafka_timestamp": kafka_us,
        "ingestion_timestamp": received_us,
        "ingestion_date": received_us // 86_400_000_000,
    }


@given(st.lists(RECORDS, max_size=6))
def test_a_batch_is_the_rows_of_its_records(batch: list[FakeRecord]) -> None:
    """Any key, any payload, with an origin, a foreign one or none, side by side."""
    found = envelopes(batch)
    numbers = pa.schema([field.with_type(TIMES.get(field.name, field.type)) for field in found.schema])
    assert found.cast(numbers).to_pylist() == [_row(record) for record in batch]


def test_a_key_that_is_no_text_is_escaped_and_its_neighbours_are_not() -> None:
    """Nor is one that is missing a text."""
    batch = [FakeRecord(key, b"") for key in (b"KRAKEN:BTC/USD", b"\xff", None, "币安".encode())]
    assert envelopes(batch)["message_key"].to_pylist() == ["KRAKEN:BTC/USD", "\\xff", None, "币安"]
