"""The Iceberg catalog and the tables of the contracts."""

import re
from typing import Any

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.rest.auth import AuthManager
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import PY_IO_IMPL, FileIO
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import DayTransform, IdentityTransform, Transform
from pyiceberg.typedef import EMPTY_DICT, Properties
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from k2_shared.core.contracts import TableContract
from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake.object_store import CAFILE, ObjectStore

NAMESPACE = "market_data"
_OF_A_STORE = ("s3.", "client.", "py-io-impl")
_TYPES: dict[str, IcebergType] = {
    "string": StringType(),
    "binary": BinaryType(),
    "int": IntegerType(),
    "long": LongType(),
    "date": DateType(),
    "timestamptz": TimestamptzType(),
    "decimal(18, 8)": DecimalType(18, 8),
}
_INNER_ID = re.compile(r"\d+: ")
_TRANSFORMS: dict[str, Transform[Any, Any]] = {"day": DayTransform(), "identity": IdentityTransform()}


class _Deadline(HTTPAdapter):
    """An HTTP adapter whose every request has a time limit, and trusts the authorities that it was told."""

    def __init__(self, timeout_s: float, cafile: str | None) -> None:
        self._timeout_s = timeout_s
        self._cafile = cafile
        super().__init__()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        kwargs["timeout"] = self._timeout_s
        if self._cafile:  # here, where no REQUESTS_CA_BUNDLE of the environment wins over it
            kwargs["verify"] = self._cafile
        return super().send(request, *args, **kwargs)


class Catalog(RestCatalog):
    """A REST catalog that cannot wait for ever, and whose tables share a client of their object store.

    The library makes a client for every table that it loads, also when it loads one again: each holds memory, threads
    and connections until garbage is looked for.
    """

    def __init__(self, name: str, **properties: str) -> None:
        self._stores: dict[tuple[tuple[str, str], ...], FileIO] = {}
        super().__init__(name, **properties)

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        given = {**self.properties, **properties}
        how = tuple(sorted((name, str(value)) for name, value in given.items() if name.startswith(_OF_A_STORE)))
        if how not in self._stores:
            self._stores = {how: super()._load_file_io(properties, location)}  # credentials are renewed, not gathered
        return self._stores[how]

    def _create_legacy_oauth2_auth_manager(self, session: Session) -> AuthManager:
        """The library makes this first of a session, and asks for a token at once."""
        deadline = _Deadline(float(self.properties["timeout-s"]), self.properties.get("cafile"))
        session.mount("http://", deadline)
        session.mount("https://", deadline)
        return super()._create_legacy_oauth2_auth_manager(session)


def connect(settings: LakeSettings) -> Catalog:
    """Open the catalog; reads its configuration from the server."""
    own = {"cafile": settings.iceberg_cafile and str(settings.iceberg_cafile)}
    if settings.s3_cafile:
        own |= {CAFILE: str(settings.s3_cafile), PY_IO_IMPL: f"{ObjectStore.__module__}.{ObjectStore.__name__}"}
    return Catalog("k2", **properties(settings), **{name: value for name, value in own.items() if value})


def find(catalog: RestCatalog, names: Names, name: str) -> Table | None:
    """A table of a run as it stands; None where it does not."""
    try:
        table: Table = catalog.load_table((namespace(names), name))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    return table


def row_count(table: Table) -> int:
    """The rows of a table as its current snapshot says; 0 where it says nothing."""
    head = table.current_snapshot()
    return int(head.summary["total-records"] or 0) if head and head.summary else 0


def properties(settings: LakeSettings) -> dict[str, str]:
    """The catalog's properties as pyiceberg names them, keys included."""
    secret = settings.s3_secret_access_key
    given = {
        "uri": settings.iceberg_catalog_uri,
        "warehouse": settings.iceberg_warehouse,
        "credential": settings.iceberg_credential and settings.iceberg_credential.get_secret_value(),
        "oauth2-server-uri": settings.iceberg_oauth2_server_uri,
        "scope": "catalog",
        "timeout-s": str(settings.iceberg_timeout_s),
        "s3.endpoint": settings.s3_endpoint,
        "s3.access-key-id": settings.s3_access_key_id,
        "s3.secret-access-key": secret and secret.get_secret_value(),
        "s3.region": settings.s3_region,
        "s3.force-virtual-addressing": "false",
        "s3.connect-timeout": str(settings.iceberg_timeout_s),
        "s3.request-timeout": str(settings.iceberg_timeout_s),
    }
    return {name: value for name, value in given.items() if value}


def namespace(names: Names) -> str:
    """The namespace of a run's tables."""
    own = names.prefix.rstrip(".").replace("-", "_")
    return f"{own}_{NAMESPACE}" if own else NAMESPACE


def create(catalog: RestCatalog, names: Names, contract: TableContract) -> Table:
    """Create a table by its contract; one that stands is returned as it is."""
    catalog.create_namespace_if_not_exists(namespace(names))
    schema = schema_of(contract)
    table: Table = catalog.create_table_if_not_exists(
        (namespace(names), contract.name),
        schema=schema,
        partition_spec=_spec(contract, schema),
        sort_order=order_of(contract, schema),
        properties=properties_of(contract),
    )
    return table


def check(table: Table, contract: TableContract) -> None:
    """Refuse a table that lacks a column of its contract, or has one that no row can be written without.

    Another engine's columns stay null.

    Raises:
        ConfigError: names the table and what differs.
    """
    wanted, found = spelt(schema_of(contract)), spelt(table.schema())
    lacks = [f"{name} ({kind})" for name, kind in wanted.items() if found.get(name) != kind]
    demands = [field.name for field in table.schema().fields if field.required and field.name not in wanted]
    if lacks or demands:
        said = [f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"demands {', '.join(demands)}"] * bool(demands)
        raise ConfigError(
            f"table {'.'.join(table.name())} {' and '.join(said)}: 'k2 schema apply' adds what lacks and alters "
            "nothing; a column of another type, or a required one, is to be altered by hand"
        )


def spelt(schema: Schema) -> dict[str, str]:
    """Types by columns' names, without the ids inside of the types: those are the catalog's to give."""
    return {field.name: _INNER_ID.sub("", str(field.field_type)) for field in schema.fields}


def schema_of(contract: TableContract) -> Schema:
    """A contract's columns as an Iceberg schema, field ids from 1 in their order."""
    inner = len(contract.columns) + 1
    return Schema(
        *(
            NestedField(number, column.name, _type(column.type, inner), required=False, doc=column.comment)
            for number, column in enumerate(contract.columns, start=1)
        )
    )


def _type(kind: str, inner: int) -> IcebergType:
    """A column's type; ``inner`` is the first of the ids for what is inside of it."""
    match kind:
        case "map<string, string>":
            return MapType(inner, StringType(), inner + 1, StringType(), value_required=False)
        case "list<struct<name: string, value: binary>>":
            name = NestedField(inner + 1, "name", StringType(), required=False)
            value = NestedField(inner + 2, "value", BinaryType(), required=False)
            return ListType(inner, StructType(name, value), element_required=False)
    return _TYPES[kind]


def _spec(contract: TableContract, schema: Schema) -> PartitionSpec:
    fields = (
        PartitionField(
            schema.find_field(field.column).field_id,
            1000 + number,
            _TRANSFORMS[field.transform],
            field.column if field.transform == "identity" else f"{field.column}_{field.transform}",
        )
        for number, field in enumerate(contract.partition_by)
    )
    return PartitionSpec(*fields)


def order_of(contract: TableContract, schema: Schema) -> SortOrder:
    """A contract's sort order by the ids of a schema's columns."""
    fields = (
        SortField(schema.find_field(column).field_id, IdentityTransform(), SortDirection.ASC, NullOrder.NULLS_FIRST)
        for column in contract.sort_by
    )
    return SortOrder(*fields, order_id=1 if contract.sort_by else 0)


def properties_of(contract: TableContract) -> dict[str, str]:
    """A contract's properties, the comment on the table among them."""
    return {"comment": contract.purpose, **contract.properties}
