"""The contracts in ``schemas/``, read once; code never repeats what stands there."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Literal

import yaml

ROOT: Traversable = files("k2_shared") / "schemas"


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


def _read(path: str) -> str:
    return ROOT.joinpath(*path.split("/")).read_text(encoding="utf-8")


def _texts(folder: str) -> dict[str, str]:
    """The documents of a folder by their files' names."""
    names = sorted(entry.name for entry in (ROOT / folder).iterdir() if entry.name.endswith(".yaml"))
    return {name: _read(f"{folder}/{name}") for name in names}


def _documents(folder: str) -> list[dict[str, Any]]:
    """The contracts of a folder: a file with ``{venue}`` in its name is one for each venue."""
    found = []
    for name, text in _texts(folder).items():
        of_venues = [venue.filled(text) for venue in venues().values()] if "{venue}" in name else [text]
        found += [_listed(yaml.safe_load(each)) for each in of_venues]
    return found


def _listed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A contract of all venues: an item of a list with ``{venue}`` in it is one for each venue."""
    return {
        name: [each for item in value for each in _items(item)] if isinstance(value, list) else value
        for name, value in document.items()
    }


def _items(item: Any) -> list[Any]:
    each_venue = isinstance(item, str) and "{venue}" in item.lower()
    return [venue.filled(item) for venue in venues().values()] if each_venue else [item]


def _topic(document: Mapping[str, Any]) -> TopicContract:
    fields = {"segment_bytes": None, "timestamp_type": "CreateTime", **document}
    value = fields.pop("value")
    for name in ("headers", "producers", "consumers", "examples"):
        fields[name] = tuple(fields[name])
    return TopicContract(
        value_format=value["format"],
        schema=value.get("schema"),
        compatibility=value.get("compatibility"),
        **fields,
    )


def _table(document: Mapping[str, Any]) -> TableContract:
    return TableContract(
        **_layout(document, _columns(document), "table_properties.yaml"),
        topics=tuple(document["topics"]),
        rows=document["rows"],
        retention_days=document["retention_days"],
    )


def _layout(document: Mapping[str, Any], columns: Iterable[Column], *common: str) -> dict[str, Any]:
    """What the contracts of all Iceberg tables say alike; ``common`` are files of properties of several tables."""
    shared = {name: value for path in common for name, value in yaml.safe_load(_read(path)).items()}
    return {
        "name": document["name"],
        "purpose": document["purpose"],
        "columns": tuple(columns),
        "partition_by": tuple(PartitionField(**field) for field in document["partition_by"]),
        "sort_by": tuple(document["sort_by"]),
        "properties": {**shared, **document["properties"]},
    }


def _cold_table(document: Mapping[str, Any]) -> ColdTableContract:
    columns = [Column(**column) for column in document["columns"]]
    return ColdTableContract(
        **_layout(document, columns, "table_properties.yaml", "cold_table_properties.yaml"),
        relation=document["relation"],
        hour_by=document["hour_by"],
        kept_in=document.get("kept_in", document["relation"]),
        kept_by=document["kept_by"],
        warm_retention_hours=document["warm_retention_hours"],
    )


def _of_timeframes(text: str) -> Iterator[dict[str, Any]]:
    """The contracts of a file: one for each timeframe where it says how long each is kept, as no warm contract does."""
    document = yaml.safe_load(text)
    if "warm_retention_hours" not in document:
        yield {**document, "warm_retention_hours": warm_tables()[document["relation"]].retention_hours}
        return
    for timeframe, hours in document["warm_retention_hours"].items():
        yield {**yaml.safe_load(text.replace("{timeframe}", timeframe)), "warm_retention_hours": hours}


def _columns(document: Mapping[str, Any]) -> Iterator[Column]:
    """A table's columns; one without a type is a field of the schema of which the schema says nothing."""
    comments = {column["name"]: column["comment"] for column in document["columns"]}
    if document["rows"] == "trade_v3":
        for field in trade_schema()["fields"]:
            name = field["name"]
            yield Column(name, column_type(field["type"]), field.get("doc") or comments[name])
    for column in document["columns"]:
        if "type" in column:
            yield Column(**column)


def column_type(avro: Any) -> str:
    """Name the column type that holds an Avro type of ``trade_v3``."""
    match avro:
        case ["null", inner]:
            return column_type(inner)
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            return f"decimal({precision}, {scale})"
        case {"logicalType": "timestamp-micros"}:
            return "timestamptz"
        case {"type": "enum"}:
            return "string"
        case {"type": "map"}:
            return "map<string, string>"
        case str():
            return avro
        case _:
            raise TypeError(f"no column type holds the Avro type {avro!r}")


@cache
def venues() -> Mapping[str, VenueContract]:
    """Every registered venue by its exchange."""
    found = [VenueContract(**yaml.safe_load(text)) for text in _texts("venues").values()]
    return {venue.exchange: venue for venue in found}


@cache
def variables() -> Variables:
    """The environment variables of ``variables.yaml``: ``settings`` are those of the services and of the k2 tool."""
    lists = {name: frozenset(found) for name, found in _listed(yaml.safe_load(_read("variables.yaml"))).items()}
    own_words = lists.pop("own_words")
    return Variables(own_words, lists["settings"], frozenset().union(*lists.values()))


@cache
def topics() -> Mapping[str, TopicContract]:
    """Every topic contract by name (without prefix)."""
    return {document["name"]: _topic(document) for document in _documents("topics")}


@cache
def tables() -> Mapping[str, TableContract]:
    """The contracts of the Iceberg sink's tables by name."""
    return {document["name"]: _table(document) for document in _documents("tables")}


@cache
def cold_tables() -> Mapping[str, ColdTableContract]:
    """The contracts of the cold tables by name, candles from the narrowest timeframe to the widest."""
    documents = [document for text in _texts("tables/cold").values() for document in _of_timeframes(text)]
    return {document["name"]: _cold_table(document) for document in documents}


def iceberg_tables() -> Sequence[IcebergContract]:
    """The contracts of all Iceberg tables, of the sink and cold."""
    return [*tables().values(), *cold_tables().values()]


@cache
def warm_tables() -> Mapping[str, WarmTableContract]:
    """What fills the warm tier's tables, by their names."""
    found = [WarmTableContract(**{**each, "topics": tuple(each["topics"])}) for each in _documents("warm")]
    return {table.name: table for table in found}


@cache
def trade_schema() -> dict[str, Any]:
    """``trade_v3.avsc`` as parsed JSON."""
    schema: dict[str, Any] = json.loads(_read("trade_v3.avsc"))
    return schema


@cache
def schema_text(name: str) -> str:
    """One schema as the registry gets it: compact JSON with sorted keys.

    A registry tells schemas apart by their text, so there is exactly one.
    """
    return json.dumps(json.loads(_read(name)), sort_keys=True, separators=(",", ":"))


def example(path: str) -> Any:
    """One example of ``schemas/examples``, parsed."""
    return json.loads(_read(f"examples/{path}"))
