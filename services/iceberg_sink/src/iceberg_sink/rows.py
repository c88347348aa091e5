"""Arrow rows of Kafka records, a batch at a time."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.envelopes import envelopes
from k2_shared.arrow.letters import letters as letter_rows
from k2_shared.arrow.tables import as_table
from k2_shared.arrow.trades import validated_trades
from k2_shared.core.contracts import TableContract
from k2_shared.core.trade import Schemas
from k2_shared.stages.row_batch import ToRows


def of_table(contract: TableContract, schema: pa.Schema, schemas: Mapping[str, Schemas]) -> ToRows:
    """How the rows of a table are made; ``schemas`` are what a topic's trades may be written with."""
    match contract.rows:
        case "envelope":
            return envelope(schema)
        case "letter":
            return letters(schema)
    return trades(schema, schemas)


def envelope(schema: pa.Schema) -> ToRows:
    """Make rows of bronze: the record as it stands in Kafka, decodable or not."""
    return lambda batch: as_table(envelopes(batch), schema)


def letters(schema: pa.Schema) -> ToRows:
    """Make rows of the dead letters: the refused record as it was, and what its headers say of the refusal."""
    return lambda batch: as_table(letter_rows(batch), schema)


def trades(schema: pa.Schema, schemas: Mapping[str, Schemas]) -> ToRows:
    """Make rows of silver and gold: the decoded trade and what the table derives from its exchange time, in UTC.

    ``schemas`` are what the records of each topic may be written with.
    """
    return lambda batch: as_table(validated_trades(batch, schemas), schema)


def gathered(parts: Sequence[pa.Table], sort_by: Sequence[str]) -> pa.Table:
    """Put the parts of a batch together as one table, in the order of ``sort_by``, nulls first as Iceberg has them."""
    table = pa.concat_tables(parts)
    if not sort_by:
        return table
    keys = [(name, "ascending", "at_start") for name in sort_by]
    return table.take(pc.sort_indices(table, sort_keys=keys))
