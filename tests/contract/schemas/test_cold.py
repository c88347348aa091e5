"""Cold tables have what ClickHouse itself says of the tables and views that they are offloaded from."""

import re

import pytest
from clickhouse_connect.driver.client import Client

from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.warm import migrations
from k2_support.warm import clickhouse, warm

__all__ = ["clickhouse", "warm"]
COLD = contracts.cold_tables()
TRADES = ["raw_trades", "bronze_trades", "silver_trades"]
CANDLES = [name for name in COLD if name not in TRADES]
COLUMN_TYPES = {
    "LowCardinality(String)": {"string"},
    "String": {"string", "binary"},
    "Enum8('BUY' = 1, 'SELL' = 2)": {"string"},
    "DateTime64(3, 'UTC')": {"timestamptz"},
    "DateTime64(6, 'UTC')": {"timestamptz"},
    "Int32": {"int"},
    "Int64": {"long"},
    "UInt64": {"long"},
    "UInt8": {"boolean"},
    "Decimal(18, 8)": {"decimal(18, 8)"},
    "Decimal(38, 8)": {"decimal(38, 8)"},
    "Decimal(38, 16)": {"decimal(38, 16)"},
    "Decimal(76, 16)": {"decimal(38, 16)"},
    "Map(LowCardinality(String), String)": {"map<string, string>"},
}
DERIVED = ["window_end", "vwap", "is_closed", "missing_trades"]
TTL = re.compile(
    r"toDateTime\((\w+)\) \+ toInterval(Hour|Day)\((\d+)\)(?: WHERE timeframe (?:IN \((.+?)\)|= (\S+?))(?:,|\s))?"
)
HOURS = {"Hour": 1, "Day": 24}


@pytest.fixture
def migrated(warm: Client) -> Client:
    """A client of a database that has every migration."""
    migrations.apply(warm)
    return warm


def described(client: Client, relation: str) -> dict[str, str]:
    """A relation's columns and their types, in ClickHouse's words, but for whether they may be null."""
    rows = client.query("DESCRIBE {relation:Identifier}", parameters={"relation": relation}).result_rows
    return {name: re.sub(r"^Nullable\((.+)\)$", r"\1", kind) for name, kind, *_ in rows}


def deleted(client: Client, table: str, timeframe: str) -> set[tuple[str, int]]:
    """By which column, and after how many hours, ClickHouse deletes rows; of candles those of a timeframe."""
    query = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
    ((engine,),) = client.query(query, parameters={"table": table}).result_rows
    found = TTL.findall(f"{engine} ")
    return {(column, int(number) * HOURS[unit]) for column, unit, number, *of in found if timeframe in "".join(of)}


def test_columns_are_those_of_the_warm_tables(migrated: Client) -> None:
    """By name and type and in their order; a type that Iceberg has not is the one that holds its values."""
    for name in TRADES:
        columns = {column.name: column.type for column in COLD[name].columns}
        warm_columns = described(migrated, COLD[name].relation)
        assert list(columns) == list(warm_columns)
        assert [column for column, kind in columns.items() if kind not in COLUMN_TYPES[warm_columns[column]]] == []
    binary = {column.name for table in COLD.values() for column in table.columns if column.type == "binary"}
    assert binary == {"frame", "avro_payload"}


@pytest.mark.parametrize("name", CANDLES)
def test_columns_of_candles_are_those_of_their_view(migrated: Client, name: str) -> None:
    """But for what is derived from them and the clock, or is found out later."""
    columns = {column.name: column.type for column in COLD[name].columns}
    warm_columns = described(migrated, COLD[name].relation)
    assert list(columns) == [column for column in warm_columns if column not in DERIVED]
    assert [column for column, kind in columns.items() if kind not in COLUMN_TYPES[warm_columns[column]]] == []


def test_hours_of_the_warm_tier_are_those_of_its_tables(migrated: Client) -> None:
    """ClickHouse deletes by the contract's column, after the contract's hours."""
    found = {table.name: deleted(migrated, table.kept_in, table.name.partition("ohlcv_")[2]) for table in COLD.values()}
    assert found == {table.name: {(table.kept_by, table.warm_retention_hours)} for table in COLD.values()}


@pytest.mark.parametrize("table", COLD.values(), ids=lambda table: table.name)
def test_what_decides_over_rows_is_a_column_in_clickhouse(migrated: Client, table: ColdTableContract) -> None:
    """The hours are of the relation, and what is deleted is of the table behind it."""
    assert "DateTime64" in described(migrated, table.relation)[table.hour_by]
    assert "DateTime64" in described(migrated, table.kept_in)[table.kept_by]
