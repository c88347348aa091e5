"""Every record of the trade topics as read from the broker, reduced so that all fit in memory."""

import hashlib
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiokafka import TopicPartition
from tests.faults.deliveries import Place, sha256

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.trade import contract_under, decode
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, GOLD, SILVER, Names

BRONZES = tuple(BRONZE.format(exchange=exchange.lower()) for exchange in EXCHANGES)
SILVERS = tuple(SILVER.format(exchange=exchange.lower()) for exchange in EXCHANGES)
TOPICS = (*BRONZES, *SILVERS, DLQ, GOLD)
_DECODED = (*SILVERS, GOLD)
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What a trade says; two records of one id with equal facts are duplicates."""

    message_id: str
    price: Decimal
    quantity: Decimal
    side: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What the headers of a dead letter say."""

    source: Place
    stage: str
    reason: str
    winner: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as read; ``digest`` covers key, value and headers but those of the dead-letter queue."""

    at: Place
    key: bytes | None
    digest: bytes
    sha256: str
    trade: Facts | None = None
    letter: Letter | None = None
    timestamp_ms: int = 0

    @property
    def facts(self) -> Facts:
        """The trade's facts; silver and gold records have them."""
        assert self.trade, f"{self.at} was not decoded"
        return self.trade


def digest(record: Any) -> bytes:
    """The fingerprint of everything that a stage must not touch, but the time, which silver's topics set themselves."""
    headers = [header for header in record.headers if not header[0].startswith(PREFIX)]
    whole = repr((record.key, record.value, headers))
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()


def letter(record: Any) -> Letter:
    """What a dead letter says about its source."""
    said = {name.removeprefix(PREFIX): text.decode() for name, text in record.headers if name.startswith(PREFIX)}
    source = Place(said["topic"], int(said["partition"]), int(said["offset"]))
    return Letter(source, said["stage"], said["reason"], said.get("winner"))


def facts(value: bytes | None, schema_id: int) -> Facts:
    """What an encoded trade says; what is none, and should not be there, says why."""
    try:
        said = decode(value, contract_under(schema_id))
    except InvalidRecord as error:
        return Facts(str(error), Decimal(0), Decimal(0), "")
    return Facts(said["message_id"], said["price"], said["quantity"], said["side"])


@dataclass
class ObservedTopics:
    """The records read from the topics so far, and the offsets at which reading goes on."""

    settings: KafkaSettings
    names: Names
    schema_id: int
    records: dict[str, list[Seen]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    uncommitted: int = 0
    _positions: dict[bool, dict[TopicPartition, int]] = field(default_factory=lambda: {True: {}, False: {}})

    @property
    def committed(self) -> int:
        """How many records were read by read_committed."""
        return sum(map(len, self.records.values()))

    async def read_on(self) -> None:
        """Read every committed record up to the last stable offsets now."""
        for record in await self._new_records(committed=True):
            name = record.topic.removeprefix(self.names.prefix)
            self.records[name].append(self._seen(name, record))
        for seen in self.records.values():
            seen.sort(key=lambda record: record.at)

    async def count_uncommitted(self) -> None:
        """Count every record up to the high watermarks now, those of aborted transactions too."""
        self.uncommitted += len(await self._new_records(committed=False))

    def _seen(self, name: str, record: Any) -> Seen:
        return Seen(
            Place(record.topic, record.partition, record.offset),
            record.key,
            digest(record),
            sha256(record.value),
            facts(record.value, self.schema_id) if name in _DECODED else None,
            letter(record) if name == DLQ else None,
            record.timestamp,
        )

    async def _new_records(self, *, committed: bool) -> list[Any]:
        positions = self._positions[committed]
        reader = clients.consumer(self.settings, committed=committed)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(clients.started(reader, self.settings))
            reader.assign([at for topic in TOPICS for at in self.names.partitions(topic)])
            for at in reader.assignment():
                reader.seek(at, positions.get(at, 0))
            return await _read_to_end(reader, positions)


async def _read_to_end(reader: Any, positions: dict[TopicPartition, int]) -> list[Any]:
    """Read to the ends that stand now and remember how far that was."""
    at = sorted(reader.assignment())
    ends = await reader.end_offsets(at)
    found: list[Any] = []
    while await _behind(reader, ends):
        found += _flat((await reader.getmany(timeout_ms=_POLL_MS)).values())
    positions.update({tp: await reader.position(tp) for tp in at})
    return found


async def _behind(reader: Any, ends: dict[TopicPartition, int]) -> bool:
    return any([await reader.position(at) < end for at, end in ends.items()])


def _flat(batches: Iterable[list[Any]]) -> list[Any]:
    return [record for batch in batches for record in batch]
