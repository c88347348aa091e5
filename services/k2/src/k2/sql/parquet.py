"""A result as a Parquet file: the table's own types, a row group at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq

from k2.sql.arrow_types import arrow_type
from k2.sql.values import Change
from k2.sql.warm_reader import Block, Result
from k2_shared.core.errors import ConfigError

_ROWS = 131_072  # of a row group, at least: those of a result's blocks may be few


def write(result: Result, path: Path) -> int:
    """Write a result to a file, which is there when it is whole; returns the rows. Blocks.

    Raises:
        ConfigError: the file cannot be written.
        K2Error: as the result's blocks do; no file is made then.
    """
    kinds = [arrow_type(column.kind) for column in result.columns]
    schema = pa.schema([(column.name, kind) for column, (kind, _) in zip(result.columns, kinds, strict=True)])
    rows = 0
    with _draft(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for group in _groups(result.blocks, schema, [change for _, change in kinds]):
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
    return rows


def _groups(blocks: Iterator[Block], schema: pa.Schema, changes: Sequence[Change]) -> Iterator[pa.Table]:
    """Row groups: as many blocks as it takes."""
    held: list[pa.RecordBatch] = []
    for block in blocks:
        arrays = [
            pa.array(list(map(change, column)), field.type)
            for field, change, column in zip(schema, changes, block, strict=True)
        ]
        held.append(pa.record_batch(arrays, schema=schema))
        if sum(batch.num_rows for batch in held) >= _ROWS:
            yield pa.Table.from_batches(held, schema)
            held.clear()
    if held:
        yield pa.Table.from_batches(held, schema)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A file beside the one that is meant, which takes its place where the block ends well."""
    draft = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        draft.touch(exist_ok=False)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
