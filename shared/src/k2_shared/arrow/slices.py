"""Batches of a stream, put together as tables that are neither tiny nor larger than memory has room for."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

MOST_BYTES = 64 * 2**20


def sliced(batches: Iterable[pa.RecordBatch], rows: int, most_bytes: int = MOST_BYTES) -> Iterator[pa.Table]:
    """Batches in their order, as tables of ``rows`` rows or a batch more; of fewer, where those are ``most_bytes``.

    Nothing is read ahead, and no table is empty.
    """
    held = list[pa.RecordBatch]()
    for batch in batches:
        held += [batch] if len(batch) else []
        if sum(map(len, held)) >= rows or sum(each.nbytes for each in held) >= most_bytes:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
