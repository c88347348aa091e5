"""The composition root of the Iceberg sink."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from mode import Service
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError

from iceberg_sink import rows
from iceberg_sink.settings import SERVICE, SinkSettings
from iceberg_sink.sink import SinkTable, TableSink
from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable
from k2_shared.core.telemetry import Metrics, logger
from k2_shared.kafka.identities import Identity, identify
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names, administration, check
from k2_shared.lake import iceberg
from k2_shared.lake.memory import Turns, keep_small
from k2_shared.lake.retries import RETRYABLE, RetryBudget, reason
from k2_shared.lake.table import LakeTable
from k2_shared.stages.agent import Shell, run

ATTEMPT_FAILED = "table_attempt_failed"


class IcebergSink(Service):  # type: ignore[misc]
    """A Faust service that runs a ``TableSink`` for each table of the contracts."""

    def __init__(self, settings: SinkSettings, metrics: Metrics) -> None:
        super().__init__()
        self._settings = settings
        self._metrics = metrics
        self._names = Names(settings.k2_prefix)
        self._turns = Turns()
        self._sinks: list[TableSink] = []

    def not_ready(self) -> list[str]:
        """The tables that are not being filled, and why."""
        missing = (name if sink is None else sink.not_ready() for name, sink in self._by_table().items())
        return [said for said in missing if said is not None]

    async def on_start(self) -> None:
        kafka, schemas = await asyncio.gather(self._identify(), self._schemas())
        for sink_table in await asyncio.to_thread(self._sink_tables, kafka, schemas):
            sink = TableSink(self._settings, self._names, sink_table, self._metrics)
            self._sinks.append(await self.add_runtime_dependency(sink))
        self.add_future(self._end())

    async def on_stop(self) -> None:
        """Stop the tables side by side, so that their last commits do not wait for each other."""
        await asyncio.gather(*(sink.stop() for sink in self._sinks))

    async def _end(self) -> None:
        """End the process some time after a table has ended: till then the others are kept up.

        Raises:
            Halt: of the tables that ended, one needs a person.
            Unavailable: the next start may bring them back.
        """
        ends = [asyncio.ensure_future(sink.done.wait()) for sink in self._sinks]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(ends, timeout=self._settings.sink_outlive_s)
        if errors := [sink.end for sink in self._sinks if sink.end]:
            raise worst(errors)

    def _by_table(self) -> dict[str, TableSink | None]:
        started = dict(zip(contracts.tables(), self._sinks, strict=False))
        return {name: started.get(name) for name in contracts.tables()}

    async def _identify(self) -> Identity:
        used = topics()
        async with administration(self._settings) as admin:
            await check(admin, self._names, used)
            return await identify(admin, [self._names.topic(name) for name in used])

    async def _schemas(self) -> dict[str, SubjectSchemas]:
        names, settings = self._names, self._settings
        used = map(names.topic, topics())
        found = {topic: SubjectSchemas(settings, names.contract(topic), names.subject(topic)) for topic in used}
        for schemas in found.values():
            await schemas.load()
        return found

    def _sink_tables(self, kafka: Identity, schemas: dict[str, SubjectSchemas]) -> list[SinkTable]:
        try:
            catalog = iceberg.connect(self._settings)
            return [self._sink_table(catalog, contract, kafka, schemas) for contract in contracts.tables().values()]
        except RETRYABLE as error:
            raise Unavailable(
                f"no Iceberg catalog answered at {self._settings.iceberg_catalog_uri} ({reason(error)}): "
                "check ICEBERG_CATALOG_URI"
            ) from None

    def _sink_table(
        self, catalog: RestCatalog, contract: TableContract, kafka: Identity, schemas: dict[str, SubjectSchemas]
    ) -> SinkTable:
        identifier = (iceberg.namespace(self._names), contract.name)
        try:
            loaded = catalog.load_table(identifier)
        except NoSuchTableError:
            raise ConfigError(f"table {'.'.join(identifier)} does not exist: run 'k2 init'") from None
        iceberg.check(loaded, contract)
        own = [self._names.topic(name) for name in contract.topics]
        fed_by = Identity(kafka.cluster_id, {topic: kafka.topic_ids[topic] for topic in own})
        retries = RetryBudget(self._settings.sink_commit_attempts, partial(self._failed, contract.name))
        table = LakeTable(loaded, self._settings.sink_id, fed_by, retries, self._turns)
        if contract.rows == "envelope":
            return SinkTable(contract, table, rows.envelope(table.arrow_schema), fed_by)
        to_rows = rows.trades(table.arrow_schema, {topic: schemas[topic].known for topic in own})
        return SinkTable(contract, table, to_rows, fed_by, {topic: schemas[topic] for topic in own})

    def _failed(self, table: str, error: Exception) -> None:
        self._metrics.errors.labels(SERVICE, type(error).__name__).inc()
        logger().warning(ATTEMPT_FAILED, table=table, reason=reason(error))


def worst(errors: Sequence[K2Error]) -> K2Error:
    """One error for the process: a ``Halt`` if any table has one, with the texts of all."""
    kind = Halt if any(isinstance(error, Halt) for error in errors) else type(errors[0])
    return kind("; ".join(map(str, errors)))


def topics() -> list[str]:
    """The topics that the tables are filled from, by the contract's name."""
    return sorted({topic for table in contracts.tables().values() for topic in table.topics})


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
