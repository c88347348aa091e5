"""The composition root of the Iceberg sink."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from pyiceberg.catalog import Catalog

from iceberg_sink import rows
from iceberg_sink.settings import SERVICE, SinkSettings
from iceberg_sink.sink import LakeTableSink, SinkTable
from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import reason
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected
from k2_shared.lake.memory import Turns, keep_small
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import LakeTable
from k2_shared.stages.agent import Shell, run
from k2_shared.stages.table_sinks import TableSinks, identified, loaded_schemas

ATTEMPT_FAILED = "table_attempt_failed"


class IcebergSink(TableSinks):
    """A Faust service that runs a ``LakeTableSink`` for each table of the contracts."""

    def __init__(self, settings: SinkSettings, metrics: Metrics) -> None:
        super().__init__(contracts.tables(), settings.sink_outlive_s)
        self._settings = settings
        self._metrics = metrics
        self._names = Names(settings.k2_prefix)
        self._turns = Turns()

    async def sinks(self) -> Sequence[LakeTableSink]:
        settings, names = self._settings, self._names
        kafka, schemas = await asyncio.gather(
            identified(settings, names, topics()), loaded_schemas(settings, names, decoded_topics())
        )
        made = await asyncio.to_thread(self._sink_tables, kafka, schemas)
        return [LakeTableSink(settings, names, sink_table, self._metrics) for sink_table in made]

    def _sink_tables(self, kafka: Identity, schemas: dict[str, SubjectSchemas]) -> list[SinkTable]:
        with connected(self._settings) as catalog:
            return [self._sink_table(catalog, contract, kafka, schemas) for contract in contracts.tables().values()]

    def _sink_table(
        self, catalog: Catalog, contract: TableContract, kafka: Identity, schemas: dict[str, SubjectSchemas]
    ) -> SinkTable:
        loaded = iceberg.found(catalog, self._names, contract)
        own = [self._names.topic(name) for name in contract.topics]
        fed_by = Identity(kafka.cluster_id, {topic: kafka.topic_ids[topic] for topic in own})
        retries = at_table(self._settings.sink_commit_attempts, partial(self._failed, contract.name))
        table = LakeTable(loaded, self._settings.sink_id, fed_by, retries, self._turns)
        used = {topic: schemas[topic] for topic in own if contract.rows == "trade_v3"}
        to_rows = rows.of_table(contract, table.arrow_schema, {topic: each.known for topic, each in used.items()})
        return SinkTable(contract, table, to_rows, fed_by, used)

    def _failed(self, table: str, error: Exception) -> None:
        self._metrics.errors.labels(SERVICE, type(error).__name__).inc()
        logger().warning(ATTEMPT_FAILED, table=table, reason=reason(error))


def topics() -> list[str]:
    """The topics that the tables are filled from, by the contract's name."""
    return sorted({topic for table in contracts.tables().values() for topic in table.topics})


def decoded_topics() -> list[str]:
    """Those of them whose records are trades."""
    return [topic for topic in topics() if contracts.topics()[topic].schema]


def compose(settings: SinkSettings, shell: Shell) -> IcebergSink:
    """Wire the sink from its settings."""
    sink = IcebergSink(settings, shell.metrics)
    shell.health.not_ready = sink.not_ready
    shell.topics.watch(Names(settings.k2_prefix).partition_counts(topics()))
    return sink


def main() -> NoReturn:
    """Run the Iceberg sink."""
    keep_small()
    run(SERVICE, SinkSettings, compose)
