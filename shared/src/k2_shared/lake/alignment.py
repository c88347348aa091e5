"""Brings a table that stands to its contract: columns that it lacks, comments, sort order, properties.

Files, and the columns that it has, stay as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.sorting import SortField
from pyiceberg.types import NestedField

from k2_shared.core.contracts import IcebergContract
from k2_shared.core.retries import RetryBudget
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg

_FIXED = "format-version"
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Differences:
    """What a table has not as its contract says: its columns that lack, properties and comments by name, its order."""

    columns: tuple[NestedField, ...]
    properties: Mapping[str, str]
    comments: Mapping[str, str]
    sort_fields: tuple[SortField, ...] | None

    def told(self, contract: IcebergContract) -> Iterator[str]:
        """What is changed to make it so, for people."""
        yield from (f"column {field.name} ({field.field_type})" for field in self.columns)
        yield from (f"{name} = {value}" for name, value in self.properties.items())
        if self.comments:
            yield f"comments on {', '.join(self.comments)}"
        if self.sort_fields is not None:
            yield f"sorted by {', '.join(contract.sort_by) or 'nothing'}"


def differences(metadata: TableMetadata, contract: IcebergContract) -> Differences:
    """Compare a table with its contract. Pure."""
    schema = metadata.schema()
    standing = {field.name: field.doc for field in schema.fields}
    wanted = tuple(iceberg.order_of(contract, schema).fields)
    order = metadata.sort_order_by_id(metadata.default_sort_order_id)
    return Differences(
        columns=tuple(field for field in iceberg.schema_of(contract).fields if field.name not in standing),
        properties={
            name: value
            for name, value in iceberg.properties_of(contract).items()
            if name != _FIXED and metadata.properties.get(name) != value
        },
        comments={
            column.name: column.comment
            for column in contract.columns
            if column.name in standing and standing[column.name] != column.comment
        },
        sort_fields=None if tuple(order.fields if order else ()) == wanted else wanted,
    )


def align(catalog: Catalog, names: Names, contract: IcebergContract) -> list[str]:
    """Bring a table to its contract in one commit, and say what changed; a sink may commit to it meanwhile. Blocks.

    Raises:
        UsedUp: others' commits were faster every time.
        RESTError: the catalog refuses.
    """
    identifier = iceberg.identifier(names, contract)
    again = RetryBudget(_ATTEMPTS, retryable=(), contended=(CommitFailedException,))
    return again.spend(lambda: _align(catalog.load_table(identifier), contract))


def _align(table: Table, contract: IcebergContract) -> list[str]:
    found = differences(table.metadata, contract)
    said = list(found.told(contract))
    if said:
        _change(table, found)
    return said


def _change(table: Table, found: Differences) -> None:
    with table.transaction() as transaction:
        if found.properties:
            transaction.set_properties(dict(found.properties))
        if found.columns:
            with transaction.update_schema() as schema:
                for column in found.columns:
                    schema.add_column(column.name, column.field_type, column.doc)
        if found.comments:
            with transaction.update_schema() as schema:
                for name, comment in found.comments.items():
                    schema.update_column(name, doc=comment)
        if found.sort_fields is not None:
            with transaction.update_sort_order() as order:
                for field in found.sort_fields:
                    name = str(table.schema().find_column_name(field.source_id))
                    order.asc(name, field.transform, field.null_order)
