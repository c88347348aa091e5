"""What stands in the lake's tables and in Kafka of how far the Iceberg sink has come."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from k2.running import run
from k2.sink.resolution import Found, Resolution, Trust, resolve
from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.errors import ConfigError, Halt
from k2_shared.core.lake_settings import SinkIdSettings
from k2_shared.core.retries import reason
from k2_shared.core.settings import KafkaSettings, PrefixSettings
from k2_shared.kafka import clients
from k2_shared.kafka.identities import Identity, identify
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.resumption import committed_all
from k2_shared.kafka.topics import Names, administration
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected
from k2_shared.lake.history import nearest_state
from k2_shared.lake.sink_state import SinkState, World
from k2_shared.lake.transaction import append

RESOLVED = "sink.{}.resolved"
"""In a snapshot's summary, where a state was set by hand: what was said of it."""


class SinkCommandSettings(KafkaSettings, SinkIdSettings, PrefixSettings):
    """Kafka, the catalog, and which sink's state is meant."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What Kafka says of a table's topics: which they are, what they hold, what the table's group has committed."""

    kafka: Identity
    logs: Mapping[TopicPartition, range]
    offsets: Mapping[TopicPartition, int | None]


@dataclass(frozen=True, slots=True)
class PartitionFill:
    """How far a table has a partition: the next offset by the table, by the group, and where Kafka ends."""

    topic: str
    partition: int
    table_offset: int | None
    committed: int | None
    start: int
    end: int

    @property
    def behind(self) -> int:
        """The offsets that the table has not, of those that Kafka has."""
        return max(0, self.end - max(self.start, self.table_offset or 0))


@dataclass(frozen=True, slots=True)
class TableFill:
    """How far a table is filled; ``halt`` is why its sink would not begin, ``age_s`` since its newest snapshot."""

    name: str
    rows: int = 0
    snapshot: int | None = None
    age_s: float | None = None
    halt: str = ""
    partitions: Sequence[PartitionFill] = field(default_factory=tuple)

    @property
    def behind(self) -> int:
        """The offsets that the table has not yet."""
        return sum(each.behind for each in self.partitions)


class SinkReader:
    """Reads both sides of the lake's tables, and sets a table's state. Every method blocks.

    Raises, of every method:
        Unavailable: broker, catalog or store do not answer.
    """

    def __init__(self, settings: SinkCommandSettings) -> None:
        self._settings, self._names = settings, Names(settings.k2_prefix)

    def fills(self, tables: Sequence[str]) -> list[TableFill]:
        """How far tables are filled.

        Raises:
            ConfigError: a topic does not exist.
        """
        kafka = run(self._kafka(tables))
        with connected(self._settings) as catalog:
            return [self._fill(catalog, name, kafka[name]) for name in tables]

    def resolve(self, name: str, trust: Trust | None, *, dry_run: bool) -> Resolution | None:
        """Find out how a table goes on, and unless it is a dry run have it go on so; None where nothing is to be done.

        Raises:
            ConfigError: the table or a topic does not exist, or only a person can decide.
            Halt: somebody has committed to the table meanwhile.
        """
        kafka = run(self._kafka([name]))[name]
        with connected(self._settings) as catalog:
            table = iceberg.find(catalog, self._names, contracts.tables()[name])
            if table is None:
                raise ConfigError(f"table {name} does not exist: run 'k2 init'")
            found = resolve(self._found(table, kafka), str(uuid4()), trust)
            if found and not dry_run:
                self._write(table, found)
        return found

    def _write(self, table: Table, found: Resolution) -> None:
        sink_id = self._settings.sink_id
        try:
            append(table, (), found.state.to_properties(sink_id), {RESOLVED.format(sink_id): "; ".join(found.steps)})
        except CommitFailedException as error:
            raise Halt(f"somebody has committed meanwhile ({reason(error)}): stop the sink, and ask again") from None

    def _fill(self, catalog: Catalog, name: str, kafka: Committed) -> TableFill:
        table = iceberg.find(catalog, self._names, contracts.tables()[name])
        if table is None:
            return TableFill(name, halt="it does not exist: run 'k2 init'")
        found, head = self._found(table, kafka), table.current_snapshot()
        return TableFill(
            name,
            found.rows,
            head.snapshot_id if head else None,
            max(0.0, time.time() - head.timestamp_ms / 1_000) if head else None,
            found.halt,
            tuple(_partitions(found.prop, kafka)),
        )

    def _found(self, table: Table, kafka: Committed) -> Found:
        metadata, sink_id = table.metadata, self._settings.sink_id
        prop, damage = _state(metadata.properties, sink_id)
        return Found(
            summary=nearest_state(metadata, sink_id),
            prop=prop,
            world=World(str(metadata.table_uuid), kafka.kafka, kafka.logs),
            rows=iceberg.row_count(table),
            committed=any(offset is not None for offset in kafka.offsets.values()),
            damage=damage,
        )

    async def _kafka(self, tables: Sequence[str]) -> dict[str, Committed]:
        every = [contracts.tables()[name] for name in tables]
        async with administration(self._settings) as admin:
            ids = [await identify(admin, map(self._names.topic, contract.topics)) for contract in every]
            logs = await self._logs(every)
            return {
                contract.name: await self._committed(admin, contract, kafka, logs)
                for contract, kafka in zip(every, ids, strict=True)
            }

    async def _logs(self, tables: Sequence[TableContract]) -> dict[TopicPartition, range]:
        """What partitions hold of committed records, as the sink reads them."""
        reader = clients.consumer(self._settings)
        async with clients.started(reader, self._settings):
            return await offset_ranges(reader, {at for contract in tables for at in self._partitions(contract)})

    async def _committed(
        self,
        admin: AIOKafkaAdminClient,
        contract: TableContract,
        kafka: Identity,
        logs: Mapping[TopicPartition, range],
    ) -> Committed:
        own = self._partitions(contract)
        found = await committed_all(admin, self._names.table_group(contract.name), own)
        return Committed(kafka, {at: logs[at] for at in own}, {at: found[at].offset for at in own})

    def _partitions(self, contract: TableContract) -> list[TopicPartition]:
        return [at for topic in contract.topics for at in self._names.partitions(topic)]


def _state(properties: Mapping[str, str], sink_id: str) -> tuple[SinkState | None, str]:
    """The state in a table's properties, or why it cannot be read."""
    try:
        return SinkState.from_properties(dict(properties), sink_id), ""
    except Halt as damage:
        return None, str(damage)


def _partitions(state: SinkState | None, kafka: Committed) -> Iterator[PartitionFill]:
    offsets = state.offsets if state else {}
    for at, log in kafka.logs.items():
        yield PartitionFill(at.topic, at.partition, offsets.get(at), kafka.offsets[at], log.start, log.stop)
