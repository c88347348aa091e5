"""Half of an insert is the rows of some of its days, each as it was."""

import io
import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from tests.warm.halves import opened, places, some_days

_FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def body(days: int) -> bytes:
    """An insert of two rows a day."""
    times = [_FIRST + timedelta(days=number // 2) for number in range(2 * days)]
    table = pa.table(
        {
            "timestamp": pa.array(times, pa.timestamp("us", "UTC")),
            "kafka_topic": ["gold"] * len(times),
            "kafka_partition": [1] * len(times),
            "kafka_offset": range(len(times)),
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(("days", "left"), [(1, 1), (2, 1), (9, 4)])
def test_half_of_the_days_are_left(days: int, left: int) -> None:
    """Whole days, and of a single one that one."""
    whole = body(days)
    half = some_days(whole, "timestamp", random.Random(7))
    assert places(half) <= places(whole)
    assert len(places(half)) == 2 * left
    assert len(set(opened(half)["timestamp"].to_pylist())) == left


def test_a_table_without_days_has_no_halves() -> None:
    """Its insert is one part."""
    assert some_days(body(3), None, random.Random(7)) == body(3)
