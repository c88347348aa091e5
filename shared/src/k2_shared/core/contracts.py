"""The contracts in ``schemas/``, read once; code never repeats what stands there."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from k2_shared.core.contract_types import (
    AuditTableContract,
    ColdTableContract,
    Column,
    IcebergContract,
    PartitionField,
    TableContract,
    TopicContract,
    Variables,
    VenueContract,
    WarmTableContract,
)

__all__ = [
    "ROOT",
    "AuditTableContract",
    "ColdTableContract",
    "Column",
    "IcebergContract",
    "PartitionField",
    "TableContract",
    "TopicContract",
    "Variables",
    "VenueContract",
    "WarmTableContract",
    "audit_tables",
    "cold_tables",
    "column_type",
    "example",
    "iceberg_tables",
    "schema_text",
    "tables",
    "topics",
    "trade_schema",
    "variables",
    "venues",
    "warm_tables",
]

ROOT: Traversable = files("k2_shared") / "schemas"


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


@cache
def audit_tables() -> Mapping[str, AuditTableContract]:
    """The contracts of the audit's tables by name; their snapshots are kept as those of cold tables are."""
    files = ("table_properties.yaml", "cold_table_properties.yaml")
    found = [
        AuditTableContract(**_layout(document, [Column(**each) for each in document["columns"]], *files))
        for document in _documents("tables/audit")
    ]
    return {table.name: table for table in found}


def iceberg_tables() -> Sequence[IcebergContract]:
    """The contracts of all Iceberg tables: of the sink, cold, and of the audit."""
    return [*tables().values(), *cold_tables().values(), *audit_tables().values()]


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
