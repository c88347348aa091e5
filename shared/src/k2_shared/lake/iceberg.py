"""The Iceberg catalog and the tables of the contracts."""

import re
from typing import Any

from pydantic import SecretStr
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform, Transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
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

from k2_shared.core.catalog_properties import passed_on
from k2_shared.core.contracts import IcebergContract, TableContract
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake.object_store import CAFILE, ObjectStore
from k2_shared.lake.rest import RestLake
from k2_shared.lake.store_clients import KEYS_FILE, OWN_ENDPOINT

_TYPES: dict[str, IcebergType] = {
    "string": StringType(),
    "binary": BinaryType(),
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "date": DateType(),
    "timestamptz": TimestamptzType(),
    "decimal(18, 8)": DecimalType(18, 8),
    "decimal(38, 8)": DecimalType(38, 8),
    "decimal(38, 16)": DecimalType(38, 16),
}
_INNER_ID = re.compile(r"\d+: ")
_TRANSFORMS: dict[str, Transform[Any, Any]] = {
    "hour": HourTransform(),
    "day": DayTransform(),
    "month": MonthTransform(),
    "identity": IdentityTransform(),
}


def connect(settings: LakeSettings) -> Catalog:
    """Open the catalog; reads its configuration from the server. Blocks.

    Raises:
        ConfigError: a package that this kind of catalog needs is not installed.
    """
    try:
        return (_sql if settings.has_sql_catalog else _rest)(settings)
    except ModuleNotFoundError as error:
        extra = "lake-sql" if settings.has_sql_catalog else "lake-sigv4"
        raise ConfigError(
            f"{error.name} is not installed, and the catalog at {settings.iceberg_catalog_uri} needs it: "
            f"install k2-shared[{extra}]"
        ) from None


def _rest(settings: LakeSettings) -> Catalog:
    return RestLake(settings.iceberg_catalog_name, **properties(settings), **_own(settings))


def _sql(settings: LakeSettings) -> Catalog:
    from k2_shared.lake.sql import SqlLake

    return SqlLake(settings.iceberg_catalog_name, **properties(settings), **_own(settings))


def _own(settings: LakeSettings) -> dict[str, str]:
    """What our catalogs are told that the library knows nothing of."""
    given: dict[str, object] = {
        "timeout-s": settings.iceberg_timeout_s,
        "cafile": settings.iceberg_cafile,
        "rest.sigv4.max-retries": "0",  # attempts are counted by who makes them
        KEYS_FILE: settings.s3_credentials_file,
        OWN_ENDPOINT: settings.s3_endpoint if "s3_endpoint" in settings.model_fields_set else None,
    }
    if settings.s3_cafile:
        given |= {CAFILE: settings.s3_cafile, PY_IO_IMPL: f"{ObjectStore.__module__}.{ObjectStore.__name__}"}
    return {name: str(value) for name, value in given.items() if value}


def find(catalog: Catalog, names: Names, contract: IcebergContract) -> Table | None:
    """A table of a run as it stands; None where it does not."""
    try:
        table: Table = catalog.load_table(identifier(names, contract))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    return table


def found(catalog: Catalog, names: Names, contract: IcebergContract) -> Table:
    """A table of a run, which must stand and have its contract's columns.

    Raises:
        ConfigError: it does not exist, or is not as its contract says.
    """
    table = find(catalog, names, contract)
    if table is None:
        raise ConfigError(f"table {'.'.join(identifier(names, contract))} does not exist: run 'k2 init'")
    check(table, contract)
    return table


def row_count(table: Table) -> int:
    """The rows of a table as its current snapshot says; 0 where it says nothing."""
    head = table.current_snapshot()
    return int(head.summary["total-records"] or 0) if head and head.summary else 0


def properties(settings: LakeSettings) -> dict[str, str]:
    """The catalog's properties as pyiceberg names them, keys included."""
    passed = passed_on(settings.iceberg_properties)
    given = {
        "uri": settings.iceberg_catalog_uri,
        "warehouse": settings.iceberg_warehouse,
        **_login(settings),
        "oauth2-server-uri": settings.iceberg_oauth2_server_uri,
        "scope": "catalog",
        "s3.endpoint": settings.s3_endpoint,
        **_keys(settings, "s3"),
        **(_keys(settings, "client") if "rest.sigv4-enabled" in passed else {}),
        "s3.region": settings.s3_region,
        "s3.force-virtual-addressing": "false",
        "s3.connect-timeout": str(settings.iceberg_timeout_s),
        "s3.request-timeout": str(settings.iceberg_timeout_s),
        **passed,
    }
    return {name: value for name, value in given.items() if value}


def _login(settings: LakeSettings) -> dict[str, str | None]:
    """A token takes the place of a credential, by which the library would ask for another one."""
    if settings.iceberg_token:
        return {"token": _revealed(settings.iceberg_token)}
    return {"credential": _revealed(settings.iceberg_credential)}


def _keys(settings: LakeSettings, of: str) -> dict[str, str | None]:
    return {
        f"{of}.access-key-id": settings.s3_access_key_id,
        f"{of}.secret-access-key": _revealed(settings.s3_secret_access_key),
        f"{of}.session-token": _revealed(settings.s3_session_token),
    }


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def namespace(names: Names, of: type[IcebergContract] = TableContract) -> str:
    """The namespace of a run's tables of one kind, which are those of the sink or cold."""
    own = names.prefix.rstrip(".").replace("-", "_")
    return f"{own}_{of.namespace}" if own else of.namespace


def identifier(names: Names, contract: IcebergContract) -> tuple[str, str]:
    """A run's table by its namespace and its name."""
    return namespace(names, type(contract)), contract.name


def create(catalog: Catalog, names: Names, contract: IcebergContract) -> Table:
    """Create a table by its contract; one that stands is returned as it is."""
    catalog.create_namespace_if_not_exists(namespace(names, type(contract)))
    schema = schema_of(contract)
    table: Table = catalog.create_table_if_not_exists(
        identifier(names, contract),
        schema=schema,
        partition_spec=_spec(contract, schema),
        sort_order=order_of(contract, schema),
        properties=properties_of(contract),
    )
    return table


def check(table: Table, contract: IcebergContract) -> None:
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


def schema_of(contract: IcebergContract) -> Schema:
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


def _spec(contract: IcebergContract, schema: Schema) -> PartitionSpec:
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


def order_of(contract: IcebergContract, schema: Schema) -> SortOrder:
    """A contract's sort order by the ids of a schema's columns."""
    fields = (
        SortField(schema.find_field(column).field_id, IdentityTransform(), SortDirection.ASC, NullOrder.NULLS_FIRST)
        for column in contract.sort_by
    )
    return SortOrder(*fields, order_id=1 if contract.sort_by else 0)


def properties_of(contract: IcebergContract) -> dict[str, str]:
    """A contract's properties, the comment on the table among them."""
    return {"comment": contract.purpose, **contract.properties}
