"""A thousand rows of ClickHouse stand in each cold table as they were, in the partitions of its contract."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from shared.tests.cold.samples import COUNT, samples, write

from k2_shared.cold.rows import DoesNotFit, cold_rows
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.warm_tables import Row, WarmTables

COLD = contracts.cold_tables()
EVERY = pytest.mark.parametrize("contract", COLD.values(), ids=lambda table: table.name)


@pytest.fixture
def catalog(names: Names) -> Iterator[Catalog]:
    """The catalog; whatever cold table a test makes is gone afterwards."""
    found = iceberg.connect(LakeSettings.load())
    yield found
    for contract in COLD.values():
        if found.table_exists(identifier := iceberg.identifier(names, contract)):
            found.drop_table(identifier)


def asked(tables: WarmTables, contract: ColdTableContract) -> pa.Table:
    """What ClickHouse gives of a relation, in Arrow: the columns that the cold table has."""
    columns = ", ".join(column.name for column in contract.columns)
    given = {"relation": contract.relation}
    sql = f"SELECT {columns} FROM {{relation:Identifier}} FINAL"  # noqa: S608  # the contract's names
    return tables.client.query_arrow(sql, parameters=given)


def offloaded(tables: WarmTables, table: Table, contract: ColdTableContract) -> None:
    """Append what ClickHouse gives of the relation to the cold table."""
    table.append(cold_rows(asked(tables, contract), contract))


def ordered(rows: list[Row]) -> list[Row]:
    """Rows by their place in Kafka, candles by symbol and window."""
    return sorted(
        rows, key=lambda row: [row.get(name) for name in ("kafka_offset", "window_start", "exchange", "symbol")]
    )


def units(moment: datetime | None, transform: str) -> int | None:
    """The hour, day or month of a moment, counted from 1970, said apart from the library."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    if transform == "month":
        return (utc.year - 1970) * 12 + utc.month - 1
    return int(utc.timestamp()) // {"hour": 3_600, "day": 86_400}[transform]


def partitions(table: Table) -> Counter[tuple[Any, ...]]:
    """How many rows each partition has, by the manifests of the current snapshot."""
    found: Counter[tuple[Any, ...]] = Counter()
    head = table.current_snapshot()
    for manifest in head.manifests(table.io) if head else ():
        for entry in manifest.fetch_manifest_entry(table.io):
            found[tuple(entry.data_file.partition)] += entry.data_file.record_count
    return found


@EVERY
def test_a_thousand_rows_stand_in_each(
    contract: ColdTableContract, tables: WarmTables, catalog: Catalog, names: Names
) -> None:
    """Equal column by column, in the partitions of their hours, days or months, and of their venues."""
    rows = samples(contract.name)
    write(tables, contract.name, rows)
    offloaded(tables, iceberg.create(catalog, names, contract), contract)
    table = catalog.load_table(iceberg.identifier(names, contract))
    found = table.scan().to_arrow().to_pylist()
    assert len(found) == COUNT
    for row, wanted in zip(ordered(found), ordered(rows), strict=True):
        assert row == wanted
    transform = contract.partition_by[0].transform
    places = Counter((units(row[contract.hour_by], transform), row["exchange"]) for row in rows)
    assert partitions(table) == places
    assert len(places) > 1


@EVERY
def test_the_layout_is_read_back_from_the_metadata(contract: ColdTableContract, catalog: Catalog, names: Names) -> None:
    """Partitions, sort order, comments and properties, of a table that the catalog has loaded anew."""
    iceberg.create(catalog, names, contract)
    table = catalog.load_table(iceberg.identifier(names, contract))
    schema = table.schema()
    spec = [(schema.find_column_name(field.source_id), str(field.transform)) for field in table.spec().fields]
    assert spec == [(field.column, field.transform) for field in contract.partition_by]
    order = [
        (schema.find_column_name(field.source_id), str(field.transform), str(field.direction), str(field.null_order))
        for field in table.sort_order().fields
    ]
    assert order == [(column, "identity", "ASC", "NULLS FIRST") for column in contract.sort_by]
    assert [(field.name, field.doc) for field in schema.fields] == [(c.name, c.comment) for c in contract.columns]
    assert contract.properties.items() - {("format-version", "2")} <= table.properties.items()
    assert (table.metadata.format_version, table.properties["comment"]) == (2, contract.purpose)
    assert table.name()[0].endswith("_cold")


def test_a_value_that_does_not_fit_is_refused_by_name(tables: WarmTables) -> None:
    """A quote volume of 39 digits, which ClickHouse holds and Iceberg cannot."""
    contract = COLD["gold_ohlcv_1d"]
    write(tables, contract.name, samples(contract.name))
    tables.command(
        "ALTER TABLE candles UPDATE quote_volume = toDecimal256('10000000000000000000000', 16) "
        "WHERE exchange = 'KRAKEN' AND symbol = 'BTC/USDT' AND window_start = '2024-12-03 00:00:00' "
        "SETTINGS mutations_sync = 1"
    )
    with pytest.raises(DoesNotFit) as refused:
        cold_rows(asked(tables, contract), contract)
    assert str(refused.value).startswith(
        "cold table gold_ohlcv_1d cannot hold quote_volume 10000000000000000000000.0000000000000000 of exchange "
        "KRAKEN, symbol BTC/USDT, window_start 2024-12-03 00:00:00+00:00: the column takes a decimal(38, 16)"
    )
