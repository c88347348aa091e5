"""Arrow rows of Kafka records, a batch at a time."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from k2_shared.arrow.envelopes import envelopes
from k2_shared.arrow.tables import as_table
from k2_shared.arrow.trades import decode_trades
from k2_shared.core.errors import Halt
from k2_shared.core.records import RecordBatch
from k2_shared.core.trade import Schemas

ToRows = Callable[[RecordBatch], pa.Table]


def envelope(schema: pa.Schema) -> ToRows:
    """Make rows of bronze: the record as it stands in Kafka, decodable or not."""
    return lambda batch: as_table(envelopes(batch), schema)


def trades(schema: pa.Schema, schemas: Mapping[str, Schemas]) -> ToRows:
    """Make rows of silver and gold: the decoded trade and what the table derives from its exchange time, in UTC.

    ``schemas`` are what the records of each topic may be written with.
    """

    def rows(batch: RecordBatch) -> pa.Table:
        decoded = decode_trades(batch, schemas)
        for number, error in decoded.refused.items():
            record = batch[number]
            where = f"{record.topic}[{record.partition}]@{record.offset}"
            raise Halt(f"{where} should hold a validated trade but cannot be decoded: {error}")
        return as_table(decoded.rows, schema)

    return rows


def gathered(parts: Sequence[pa.Table], sort_by: Sequence[str]) -> pa.Table:
    """Put the parts of a batch together as one table, sorted by ``sort_by``."""
    table = pa.concat_tables(parts)
    return table.sort_by([(name, "ascending") for name in sort_by]) if sort_by else table
