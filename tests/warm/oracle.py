"""What the tables must hold, found without the sink: a plain consumer reads the topics, fastavro decodes the trades."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from fastavro import parse_schema, schemaless_reader

from k2_shared.core import contracts
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Schemas, WriterSchema
from k2_shared.kafka.topics import Names
from k2_support.warm_rows import expected
from k2_support.warm_tables import Row

_UNIX_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
_POLL_MS = 500

Place = tuple[bytes, int, int]
"""A record's topic, partition and offset."""


@dataclass
class Oracle:
    """Every committed record of the topics that feed the tables, and the rows that follow from them."""

    settings: RunSettings
    names: Names
    schema_id: int
    rows: dict[str, dict[Place, Row]] = field(default_factory=dict)
    _next: dict[TopicPartition, int] = field(default_factory=dict)

    async def read_on(self) -> None:
        """Read to the topics' ends as they are now, on a consumer of its own."""
        reader = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await reader.start()
        try:
            for table, contract in contracts.warm_tables().items():
                self._note(table, await self._new(reader, contract.topics))
        finally:
            await reader.stop()

    def _note(self, table: str, records: list[Any]) -> None:
        known = self.rows.setdefault(table, {})
        found = expected(table, records, by_fastavro(self.schema_id))
        known |= {place(row): row for row in found}
        if table == "gold_trades":
            self.rows[table] = latest_of_each(known)

    async def _new(self, reader: AIOKafkaConsumer, topics: tuple[str, ...]) -> list[Any]:
        """Records of topics that were not read before."""
        every = [at for topic in topics for at in self.names.partitions(topic)]
        reader.assign(every)
        ends = await reader.end_offsets(every)
        for at in every:
            reader.seek(at, self._next.setdefault(at, 0))
        found: list[Any] = []
        while any(self._next[at] < ends[at] for at in every):
            for batch in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                found += batch
            self._next |= {at: await reader.position(at) for at in every}
        return found


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

    return {schema_id: WriterSchema((), read)}


def _plain(value: Any) -> Any:
    """A time in microseconds since the epoch; what is none as it is."""
    return (value - _UNIX_BEGAN) // timedelta(microseconds=1) if isinstance(value, datetime) else value
