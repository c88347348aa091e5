"""Halves of an insert: its rows of some days alone, as where parts of those days had landed when it broke off."""

import io
import random

import pyarrow as pa
import pyarrow.compute as pc

_PLACE = ("kafka_topic", "kafka_partition", "kafka_offset")


def some_days(body: bytes, column: str | None, rng: random.Random) -> bytes:
    """The rows of about half of the days of a column, at least of one; all where they are of a single day."""
    rows = opened(body)
    if column is None:
        return body
    days = pc.floor_temporal(rows[column], unit="day")
    every = sorted(set(days.to_pylist()))
    chosen = rng.sample(every, max(1, len(every) // 2))
    return _sealed(rows.filter(pc.is_in(days, pa.array(chosen, days.type))))


def some_rows(body: bytes, rng: random.Random) -> bytes:
    """About half of the rows, as where an insert was of several blocks."""
    rows = opened(body)
    return _sealed(rows.filter(pa.array([rng.random() < 0.5 for _ in range(rows.num_rows)], pa.bool_())))


def places(body: bytes) -> set[tuple[str, int, int]]:
    """The topic, partition and offset of each row of an insert."""
    rows = opened(body)
    return set(zip(*(rows[name].to_pylist() for name in _PLACE), strict=True))


def opened(body: bytes) -> pa.Table:
    """The rows of an insert's body."""
    return pa.ipc.open_file(io.BytesIO(body)).read_all()


def _sealed(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()
