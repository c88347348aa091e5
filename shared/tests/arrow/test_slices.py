"""A stream of batches becomes tables of bounded size."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from k2_shared.arrow.slices import sliced


def batch(*texts: str) -> pa.RecordBatch:
    return pa.record_batch({"text": pa.array(texts, pa.string())})


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([], []), ([0], []), ([2, 0, 2], [4]), ([3], [3]), ([3, 1], [4]), ([4, 1], [4, 1]), ([1] * 9, [4, 4, 1])],
)
def test_batches_gather_until_they_are_enough(lengths: list[int], expected: list[int]) -> None:
    """None is cut, and none of the tables is empty."""
    found = list(sliced((batch(*["x"] * length) for length in lengths), rows=4))
    assert [len(table) for table in found] == expected


def test_large_rows_are_fewer() -> None:
    """A table ends where it has enough bytes."""
    found = list(sliced((batch("x" * 1_000) for _ in range(6)), rows=100, most_bytes=2_500))
    assert [len(table) for table in found] == [3, 3]


def test_rows_stay_in_their_order_and_nothing_is_read_ahead() -> None:
    """Whoever takes a table has caused no batch of the next to be read."""
    read = list[int]()

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(4):
            read.append(number)
            yield batch(str(number))

    stream = sliced(batches(), rows=2)
    assert next(stream)["text"].to_pylist() == ["0", "1"]
    assert read == [0, 1]
    assert next(stream)["text"].to_pylist() == ["2", "3"]
