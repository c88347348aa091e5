"""The contracts in ``schemas/``, read once; code never repeats what stands there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

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
        }
        return config | ({"segment.bytes": str(self.segment_bytes)} if self.segment_bytes else {})


@dataclass(frozen=True, slots=True)
class PartitionField:
    """One field of a table's partition spec."""

    column: str
    transform: str


@dataclass(frozen=True, slots=True)
class TableContract:
    """One Iceberg table: where its rows come from and how they are laid out."""

    name: str
    topics: tuple[str, ...]
    rows: Literal["envelope", "trade_v3"]
    columns: tuple[tuple[str, str], ...]
    partition_by: tuple[PartitionField, ...]
    sort_by: tuple[str, ...]
    retention_days: int | None
    properties: Mapping[str, str]


def _read(path: str) -> str:
    return ROOT.joinpath(*path.split("/")).read_text(encoding="utf-8")


def _documents(folder: str) -> list[dict[str, Any]]:
    names = sorted(entry.name for entry in (ROOT / folder).iterdir() if entry.name.endswith(".yaml"))
    return [yaml.safe_load(_read(f"{folder}/{name}")) for name in names]


def _topic(document: Mapping[str, Any]) -> TopicContract:
    fields = {"segment_bytes": None, **document}
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
    trade = [(f["name"], _column_type(f["type"])) for f in trade_schema()["fields"]]
    own = [(column["name"], column["type"]) for column in document["columns"]]
    return TableContract(
        name=document["name"],
        topics=tuple(document["topics"]),
        rows=document["rows"],
        columns=tuple(trade + own if document["rows"] == "trade_v3" else own),
        partition_by=tuple(PartitionField(**field) for field in document["partition_by"]),
        sort_by=tuple(document["sort_by"]),
        retention_days=document["retention_days"],
        properties=document["properties"],
    )


def _column_type(avro: Any) -> str:
    """Name the column type that holds an Avro type of ``trade_v3``."""
    match avro:
        case ["null", inner]:
            return _column_type(inner)
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
def topics() -> Mapping[str, TopicContract]:
    """Every topic contract by name (without prefix)."""
    return {document["name"]: _topic(document) for document in _documents("topics")}


@cache
def tables() -> Mapping[str, TableContract]:
    """Every table contract by name."""
    return {document["name"]: _table(document) for document in _documents("tables")}


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
