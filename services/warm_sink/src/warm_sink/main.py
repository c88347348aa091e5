"""The composition root of the warm sink."""

import asyncio
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import NoReturn

from k2_shared.core import contracts
from k2_shared.core.contracts import WarmTableContract
from k2_shared.core.metrics import Metrics
from k2_shared.core.trade import Schemas
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import BRONZE, EXCHANGES, RAW, Names
from k2_shared.lake.memory import keep_small
from k2_shared.stages.agent import Shell, run
from k2_shared.stages.table_sinks import TableSinks, identified, loaded_schemas
from warm_sink import rows
from warm_sink.adapters import Warehouse
from warm_sink.candles import Candles
from warm_sink.followers import Follower, Nothing, OfGold, OfLedger, OfLetters
from warm_sink.housekeeping import Measurer
from warm_sink.missing import MissingIds
from warm_sink.settings import SERVICE, WarmSinkSettings
from warm_sink.sink import WarmTable, WarmTableSink

_TABLES = contracts.warm_tables()


class WarmSink(TableSinks):
    """A Faust service that runs a ``WarmTableSink`` for each table of the contracts, and measures them."""

    def __init__(self, settings: WarmSinkSettings, metrics: Metrics, topics: TopicWatch) -> None:
        super().__init__(_TABLES, settings.warm_outlive_s)
        self._settings = settings
        self._metrics = metrics
        self._names = Names(settings.k2_prefix)
        self._topics = topics

    async def sinks(self) -> Sequence[WarmTableSink]:
        settings, names = self._settings, self._names
        kafka, schemas = await asyncio.gather(
            identified(settings, names, topics()), loaded_schemas(settings, names, decoded_topics())
        )
        tables = [self._table(contract, kafka, schemas) for contract in _TABLES.values()]
        return [self._sink(table, self._warehouse()) for table in tables]

    def _sink(self, table: WarmTable, warehouse: Warehouse) -> WarmTableSink:
        follower = self._follower(table.contract, warehouse)
        return WarmTableSink(self._settings, self._names, table, warehouse, follower, self._metrics)

    def _follower(self, contract: WarmTableContract, warehouse: Warehouse) -> Follower:
        missing = MissingIds(warehouse)
        match contract.rows:
            case "trade_once":
                candles = Candles(warehouse, self._settings.warm_older_candles, self._metrics.candles)
                return OfGold(candles, missing)
            case "gap":
                return OfLedger(missing)
            case "letter":
                return OfLetters(missing)
        return Nothing()

    async def on_start(self) -> None:
        await super().on_start()
        interval_s = self._settings.warm_measure_interval_s
        await self.add_runtime_dependency(Measurer(self._warehouse(), interval_s, self._metrics))

    def _warehouse(self) -> Warehouse:
        return Warehouse(self._settings, self._names)

    def _table(self, contract: WarmTableContract, kafka: Identity, schemas: Mapping[str, SubjectSchemas]) -> WarmTable:
        used = {topic: schemas[topic] for topic in map(self._names.topic, contract.topics) if topic in schemas}
        known: dict[str, Schemas] = {topic: each.known for topic, each in used.items()}
        if contract.rows == "letter":  # refused trades of every topic
            any_topics = ChainMap(*(each.known for each in schemas.values()))
            known = dict.fromkeys(map(self._names.topic, contract.topics), any_topics)
        return WarmTable(contract, rows.of_table(contract, self._exchanges(), known), kafka, self._topics, used)

    def _exchanges(self) -> dict[str, str]:
        """The venue of each topic that is one venue's, as its feed writes it."""
        patterns, name = (RAW, BRONZE), self._names.topic
        return {name(pattern.format(exchange=each.lower())): each for each in EXCHANGES for pattern in patterns}


def topics() -> list[str]:
    """The topics that the tables are filled from, by the contract's name."""
    return sorted({topic for table in _TABLES.values() for topic in table.topics})


def decoded_topics() -> list[str]:
    """Those of them whose records are trades."""
    return [topic for topic in topics() if contracts.topics()[topic].schema]


def compose(settings: WarmSinkSettings, shell: Shell) -> WarmSink:
    """Wire the sink from its settings."""
    sink = WarmSink(settings, shell.metrics, shell.topics)
    shell.health.not_ready = sink.not_ready
    shell.topics.watch(Names(settings.k2_prefix).partition_counts(topics()))
    return sink


def main() -> NoReturn:
    """Run the warm sink."""
    keep_small()
    run(SERVICE, WarmSinkSettings, compose)
