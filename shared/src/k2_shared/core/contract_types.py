"""What a contract of ``schemas/`` says, by its kind; ``k2_shared.core.contracts`` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class TopicContract:
    """One Kafka topic: its name without prefix, its shape, who writes and who reads it."""

    name: str
    purpose: str
    partitions: int
    key: str
    value_format: Literal["avro", "json", "raw"]
    schema: str | None
    compatibility: str | None
    headers: tuple[str, ...]
    retention_ms: int
    cleanup_policy: str
    max_message_bytes: int
    segment_bytes: int | None
    timestamp_type: Literal["CreateTime", "LogAppendTime"]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings as the broker takes them."""
        config = {
            "retention.ms": str(self.retention_ms),
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": self.timestamp_type,
        }
        return config | ({"segment.bytes": str(self.segment_bytes)} if self.segment_bytes else {})


@dataclass(frozen=True, slots=True)
class VenueContract:
    """A venue's registration: what is called after the venue follows from its exchange's name."""

    exchange: str
    title: str
    born: date
    socket_path: str

    @property
    def name(self) -> str:
        """The venue in the names of topics, tables, files and services."""
        return self.exchange.lower()

    @property
    def service(self) -> str:
        """The service that captures it."""
        return f"feed_{self.name}"

    @property
    def born_us(self) -> int:
        """The first moment, in microseconds since the epoch, of which a trade may be."""
        return int(datetime.combine(self.born, time(), UTC).timestamp()) * 1_000_000

    def filled(self, text: str) -> str:
        """A text of a contract with this venue's names in place of ``{venue}``, ``{VENUE}`` and ``{Venue}``."""
        spelt = {"{venue}": self.name, "{VENUE}": self.exchange, "{Venue}": self.title}
        for name, said in spelt.items():
            text = text.replace(name, said)
        return text


@dataclass(frozen=True, slots=True)
class PartitionField:
    """One field of a table's partition spec."""

    column: str
    transform: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, its type as the contract spells it, and what it holds, for people."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class IcebergContract:
    """One Iceberg table as its catalog is told of it: where it stands and how it is laid out.

    ``properties`` are those of all tables of its kind and its own.
    """

    namespace: ClassVar[str]
    name: str
    purpose: str
    columns: tuple[Column, ...]
    partition_by: tuple[PartitionField, ...]
    sort_by: tuple[str, ...]
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TableContract(IcebergContract):
    """One table of the Iceberg sink: where its rows come from."""

    namespace: ClassVar[str] = "market_data"
    topics: tuple[str, ...]
    rows: Literal["envelope", "trade_v3", "letter"]
    retention_days: int | None


@dataclass(frozen=True, slots=True)
class ColdTableContract(IcebergContract):
    """One cold table: what of the warm tier outlives it, hour by hour.

    ``relation`` is the table or view of the warm tier whose columns it has, ``hour_by`` the one of them whose hours, in
    UTC, are offloaded. ``kept_in`` is the table that the warm tier deletes rows of, the relation or what is behind it:
    those whose ``kept_by`` is ``warm_retention_hours`` ago.
    """

    namespace: ClassVar[str] = "cold"
    relation: str
    hour_by: str
    kept_in: str
    kept_by: str
    warm_retention_hours: int


@dataclass(frozen=True, slots=True)
class AuditTableContract(IcebergContract):
    """One table of what the daily audit found."""

    namespace: ClassVar[str] = "audit"


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment variables that something of ours reads, and the first words that no other software's have."""

    own_words: frozenset[str]
    settings: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class WarmTableContract:
    """What fills a table of ``schemas/clickhouse``: its topics, and what of their records is a row.

    A row is deleted once the time of its record is ``retention_hours`` ago; None where another time decides. The days,
    or months, of ``partition_by`` are parts of their own; None where all are together.
    """

    name: str
    topics: tuple[str, ...]
    rows: Literal["frame", "delivery", "trade", "trade_once", "letter", "gap"]
    retention_hours: int | None
    partition_by: str | None
