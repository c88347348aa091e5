"""What the tables must hold, found without the sink: a plain consumer reads the topics, fastavro decodes the trades."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fastavro import parse_schema, schemaless_reader
from tests.committed import CommittedRecords

from k2_shared.core import contracts
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import CONTRACT_SCHEMA, Schemas
from k2_support.warm_rows import expected
from k2_support.warm_tables import Row

_UNIX_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)

Place = tuple[bytes, int, int]
"""A record's topic, partition and offset."""


@dataclass
class Oracle:
    """Every committed record of the topics that feed the tables, and the rows that follow from them."""

    committed: CommittedRecords
    schema_id: int
    rows: dict[str, dict[Place, Row]] = field(default_factory=dict)

    async def read_on(self) -> None:
        """Read to the topics' ends as they are now."""
        for table, contract in contracts.warm_tables().items():
            self._note(table, await self.committed.read_on(table, contract.topics))

    def _note(self, table: str, records: list[Any]) -> None:
        known = self.rows.setdefault(table, {})
        found = expected(table, records, by_fastavro(self.schema_id))
        known |= {place(row): row for row in found}
        if table == "gold_trades":
            self.rows[table] = latest_of_each(known)


def place(row: Row) -> Place:
    """Where the record of a row stands."""
    return row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]


def latest_of_each(rows: Mapping[Place, Row]) -> dict[Place, Row]:
    """Of the rows of one trade that of the highest offset: a trade stands in gold's table once."""
    found: dict[bytes, Row] = {}
    for row in sorted(rows.values(), key=lambda row: row["kafka_offset"]):
        found[row["message_id"]] = row
    return {place(row): row for row in found.values()}


def by_fastavro(schema_id: int) -> Schemas:
    """The contract's schema under its id, read by fastavro."""
    schema = parse_schema(json.loads(json.dumps(contracts.trade_schema())))

    def read(value: bytes, at: int) -> tuple[dict[str, Any], int]:
        rest = io.BytesIO(value[at:])
        try:
            found = schemaless_reader(rest, schema, None)
        except Exception as error:  # noqa: BLE001  # whatever fastavro meets in garbage
            raise InvalidRecord("undecodable", str(error)) from None
        return {name: _plain(each) for name, each in found.items()}, at + rest.tell()

    return {schema_id: replace(CONTRACT_SCHEMA, read=read)}


def _plain(value: Any) -> Any:
    """A time in microseconds since the epoch; what is none as it is."""
    return (value - _UNIX_BEGAN) // timedelta(microseconds=1) if isinstance(value, datetime) else value
