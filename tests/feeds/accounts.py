"""What became of every trade id of a venue, as Kafka alone tells it: bronze, the dead letters and the gap ledger."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import numpy as np
from tests.feeds.venue_accounts import Account, VenueAccounts, unaccounted

from gold.domain import GoldProcessor
from gold.reading import Reader
from gold.settings import GoldSettings
from k2_shared.core.records import RecordBatch
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, contract_under, decode
from k2_shared.kafka import clients
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import BRONZE, DLQ, GAPS, GOLD, SILVER, Names
from silver.domain import SilverProcessor
from silver.settings import SilverSettings

__all__ = [
    "Account",
    "Audit",
    "Passage",
    "VenueAccounts",
    "accounts",
    "auditing",
    "schema_id",
    "sources",
    "through_gold",
    "unaccounted",
]
_POLL_MS = 100


class Audit:
    """Reads on where it stopped, up to the ends of the topics of then."""

    def __init__(self, reader: Any, names: Names, takes: Mapping[str, Callable[[RecordBatch], None]]) -> None:
        self._reader, self._names, self._takes = reader, names, takes
        self._at = [at for topic in takes for at in names.partitions(topic)]
        self._begun = False

    async def read_on(self) -> None:
        """Hand every record that stands now to who takes its topic."""
        if not self._begun:
            self._reader.assign(self._at)
            await self._reader.seek_to_beginning(*self._at)
            self._begun = True
        ends = await self._reader.end_offsets(self._at)
        while any([await self._reader.position(at) < end for at, end in ends.items()]):
            for at, batch in (await self._reader.getmany(timeout_ms=_POLL_MS)).items():
                self._takes[self._names.contract(at.topic).name](batch)


@asynccontextmanager
async def auditing(
    settings: RunSettings, names: Names, takes: Mapping[str, Callable[[RecordBatch], None]]
) -> AsyncIterator[Audit]:
    """An audit of topics, by the contracts' names."""
    async with clients.started(clients.consumer(settings), settings) as reader:
        yield Audit(reader, names, takes)


def sources(kept: VenueAccounts, exchange: Exchange) -> dict[str, Callable[[RecordBatch], None]]:
    """What the accounts of a venue are read from."""
    return {BRONZE.format(exchange=exchange.lower()): kept.trades, DLQ: kept.letters, GAPS: kept.gaps}


async def accounts(settings: RunSettings, names: Names, exchange: Exchange) -> Mapping[str, Account]:
    """The accounts of a venue's symbols as they stand in Kafka now."""
    kept = VenueAccounts(exchange, await schema_id(settings, names, exchange))
    async with auditing(settings, names, sources(kept, exchange)) as audit:
        await audit.read_on()
    return kept.accounts


async def schema_id(settings: RunSettings, names: Names, exchange: Exchange) -> int:
    """The id of the schema of a venue's trades."""
    topic = names.topic(BRONZE.format(exchange=exchange.lower()))
    async with SchemaRegistry.connect(settings) as registry:
        return await registry.schema_id(names.contract(topic), names.subject(topic))


class Passage:
    """The real domain code of silver and gold for one partition of a venue, in process."""

    def __init__(self, exchange: Exchange, schema: int, partition: int, partitions: int) -> None:
        skew_s, compared = SilverSettings.load().silver_max_clock_skew_s, GoldSettings.load().gold_compared_ids
        self._silver = SilverProcessor(exchange, contract_under(schema), skew_s)
        reader = Reader(exchange, contract_under(schema), partition, partitions)
        self._gold = GoldProcessor(exchange, reader, f"[{partition}]", compared)
        self._valid = SILVER.format(exchange=exchange.lower())
        self._schema = schema
        self._written = 0

    def take(self, batch: RecordBatch) -> list[str]:
        """What gold would publish of records of bronze, as message ids."""
        valid: Any = self._silver.process(batch).outgoing[self._valid]
        if not valid:
            return []
        once = self._gold.process(valid).outgoing[GOLD]
        self._gold.accept({GOLD: np.arange(self._written, self._written + len(once), dtype=np.int64)})
        self._written += len(once)
        return [decode(record.value, contract_under(self._schema))["message_id"] for record in once]


async def through_gold(settings: RunSettings, names: Names, exchange: Exchange) -> list[str]:
    """The message ids that gold would publish of what stands in a venue's bronze now, in order by partition."""
    schema, bronze = await schema_id(settings, names, exchange), BRONZE.format(exchange=exchange.lower())
    at = names.partitions(bronze)
    passages = {each.partition: Passage(exchange, schema, each.partition, len(at)) for each in at}
    found: dict[int, list[str]] = {partition: [] for partition in passages}

    def take(batch: RecordBatch) -> None:
        partition = batch[0].partition
        found[partition] += passages[partition].take(batch)

    async with auditing(settings, names, {bronze: take}) as audit:
        await audit.read_on()
    return list(chain.from_iterable(found.values()))
