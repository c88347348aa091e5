"""One engine reads both tiers: what is equal has equal fingerprints, and one changed cell, or row, is found."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from k2_shared.cold.fingerprint import checksum, independent_checksum
from k2_shared.cold.hours import Hour, TierHour
from k2_shared.cold.rows import cold_rows
from k2_shared.cold.warm_hours import ColdSource, TierHours
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract, Column
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.replacement import ComparedHour, HourlyTable
from k2_shared.lake.retries import at_table
from k2_support.warm_hours import fill
from k2_support.warm_tables import WarmTables

COUNTS = {"silver_trades": 100_000, "bronze_trades": 20_000, "raw_trades": 20_000, "gold_ohlcv_1m": 5_000}
DAILY = ("silver_trades", "gold_ohlcv_1m")
EVERY = pytest.mark.parametrize(
    "tiers",
    [name if name in DAILY else pytest.param(name, marks=pytest.mark.long) for name in COUNTS],
    indirect=True,
)
SILVER = pytest.mark.parametrize("tiers", ["silver_trades"], indirect=True)
MINUTES = pytest.mark.parametrize("tiers", ["gold_ohlcv_1m"], indirect=True)


class Tiers:
    """One hour of a relation in the warm tier, and its cold table, to which it is offloaded."""

    def __init__(self, tables: WarmTables, catalog: Catalog, names: Names, contract: ColdTableContract) -> None:
        self.hour = Hour.of(fill(tables, contract.kept_in, COUNTS[contract.name]))
        self.contract = contract
        self.warm = tables
        self.hours = TierHours(tables.client, contract)
        self.table = iceberg.create(catalog, names, contract)
        self.owner = HourlyTable(self.table, contract.name, contract.hour_by, at_table(5))

    @property
    def in_warm(self) -> TierHour:
        """What the warm tier has of the hour."""
        return self.hours.warm(self.hour, self.hour)[self.hour]

    @property
    def in_cold(self) -> dict[Hour, TierHour]:
        """What the cold table has of it."""
        return self.hours.cold(self.source, self.hour, self.hour)

    @property
    def source(self) -> ColdSource:
        return ColdSource.of(LakeSettings.load(), self.table.location(), self.owner.head())

    def offload(self, slice_rows: int = 30_000) -> None:
        """As an offload does it: counted, read slice by slice, converted, and committed at once."""
        counted = self.in_warm.fingerprint
        rows = (cold_rows(each, self.contract) for each in self.hours.slices(self.hour, slice_rows))
        base = self.owner.head().snapshot_id
        assert self.owner.replace(ComparedHour(self.hour.start, counted.rows, str(counted), base), rows)

    def cold(self, expression: str, rows: str = "*", more: str = "") -> Any:
        """What an expression comes to over the cold table's rows."""
        sql = f"SELECT {expression} FROM (SELECT {rows} FROM {self.source.sql} {more})"  # noqa: S608  # a test's
        ((found,),) = self.warm.client.query(sql, parameters=self.source.parameters).result_rows
        return found


@pytest.fixture
def tiers(tables: WarmTables, names: Names, request: pytest.FixtureRequest) -> Iterator[Tiers]:
    """An hour that is offloaded."""
    catalog, contract = iceberg.connect(LakeSettings.load()), contracts.cold_tables()[request.param]
    made = Tiers(tables, catalog, names, contract)
    yield made
    catalog.drop_table(iceberg.identifier(names, contract))


@EVERY
def test_what_was_offloaded_has_the_fingerprint_of_the_warm_tier(tiers: Tiers) -> None:
    """Of the hour, over extreme values in every column; its oldest row is known, and no key is lacking."""
    assert tiers.in_cold == {}
    tiers.offload()
    warm, cold = tiers.in_warm, tiers.in_cold[tiers.hour]
    assert warm.fingerprint == cold.fingerprint
    assert 0 < warm.fingerprint.rows <= COUNTS[tiers.contract.name]
    assert len(warm.fingerprint.sums) == (1 if tiers.contract.name == "raw_trades" else 2)
    assert warm.oldest is not None
    if tiers.contract.name == "gold_ohlcv_1m":
        assert cold.oldest is None
    else:
        assert cold.oldest == warm.oldest
    if tiers.contract.hour_by != "ingestion_timestamp":
        assert datetime.now(UTC) - warm.oldest < timedelta(hours=1)
    assert tiers.hours.lacking(tiers.source, tiers.hour) == 0


@EVERY
def test_another_engine_has_the_same_independent_checksum(tiers: Tiers) -> None:
    """DuckDB, over what pyiceberg reads of the cold table, and ClickHouse, over the warm tier."""
    tiers.offload()
    contract = tiers.contract
    within = f"toUnixTimestamp({contract.hour_by}) >= {int(tiers.hour.start.timestamp())}"
    sql = f"SELECT {independent_checksum(contract)} FROM {contract.relation} WHERE {within}"  # noqa: S608  # a contract's
    ((warm,),) = tiers.warm.client.query(sql, settings={"final": 1}).result_rows
    arrow = tiers.table.catalog.load_table(tiers.table.name()).scan().to_arrow()
    rows = duckdb.from_arrow(arrow)
    texts = ", ".join(f"coalesce({_duckdb(column)}, 'N')" for column in contract.columns)
    ((cold,),) = rows.aggregate(f"sum(('0x' || md5(concat_ws('|', {texts}))[1:15])::bigint::hugeint)").fetchall()
    assert cold == warm > 0


def _duckdb(column: Column) -> str:
    """A column as text, said apart from ClickHouse's."""
    name = f'"{column.name}"'
    if column.type.startswith("decimal"):
        return f"replace({name}::varchar, '.', '')::hugeint::varchar"
    if column.type.startswith("map"):
        entry = "e -> hex(e.key) || '=' || coalesce(hex(e.value), 'N')"
        return f"coalesce(array_to_string(list_transform(list_sort(map_entries({name})), {entry}), ','), '')"
    return {
        "string": f"hex({name})",
        "binary": f"hex({name})",
        "timestamptz": f"epoch_us({name})::varchar",
        "boolean": f"{name}::int::varchar",
    }.get(column.type, f"{name}::varchar")


CHANGED = {
    "string": "concat(ifNull({0}, ''), 'x')",
    "binary": "concat(ifNull({0}, ''), unhex('00'))",
    "timestamptz": "{0} + toIntervalMicrosecond(1)",
    "int": "{0} + 1",
    "long": "ifNull({0}, 0) - 1",
    "boolean": "NOT {0}",
    "map<string, string>": "mapUpdate({0}, CAST(map('a', 'x'), 'Map(String, Nullable(String))'))",
}


@EVERY
def test_one_changed_cell_is_found_in_any_column(tiers: Tiers) -> None:
    """Of one row of all: by the last digit, a byte, a microsecond, or null in place of nothing."""
    tiers.offload()
    expression, names = checksum(tiers.contract), [column.name for column in tiers.contract.columns]
    before = tiers.cold(expression)
    key = "kafka_offset" if "kafka_offset" in names else "toUInt64(symbol)"
    nowhere_null = " AND ".join(f"isNotNull({name})" for name in names if name != "vendor_data")
    which = f"{key} = {tiers.cold(f'max({key})', more=f'WHERE {nowhere_null}')}"
    for column in tiers.contract.columns:
        for changed in _changes(column):
            replaced = f"* REPLACE(if({which}, {changed}, {column.name}) AS {column.name})"
            assert tiers.cold(expression, replaced) != before, f"{column.name}: {changed}"


def _changes(column: Column) -> Iterator[str]:
    """Expressions of another value, and of null; a map that is null is an empty one."""
    if column.type.startswith("decimal"):
        _, scale = column.type.rstrip(")").split(", ")
        digit = f"CAST('0.{'0' * (int(scale) - 1)}1', '{column.type}')"
        yield f"if({column.name} > 0, {column.name} - {digit}, {column.name} + {digit})"
    else:
        yield CHANGED[column.type].format(column.name)
    if not column.type.startswith("map"):
        yield "NULL"


@SILVER
def test_rows_that_are_doubled_or_exchanged_do_not_cancel(tiers: Tiers) -> None:
    """A row twice more, and a cell of one row in the place of another's, which changes no sum."""
    tiers.offload()
    expression, one = checksum(tiers.contract), "WHERE kafka_offset = 5"
    before = tiers.cold(expression)
    again = f"UNION ALL SELECT * FROM {tiers.source.sql} {one}"  # noqa: S608  # a test's
    assert tiers.cold(expression, more=f"{again} {again}") != before
    swapped = "* REPLACE(transform(kafka_offset, [5, 7], [7, 5], kafka_offset) AS kafka_offset)"
    assert tiers.cold("sum(kafka_offset)", swapped) == tiers.cold("sum(kafka_offset)")
    assert tiers.cold(expression, swapped) != before


@SILVER
def test_keys_that_warm_lacks_are_counted(tiers: Tiers) -> None:
    """As after an hour has half expired; and warm's fingerprint is another one then."""
    tiers.offload()
    tiers.warm.command("DELETE FROM silver_trades WHERE kafka_offset IN (5, 6, 9)")
    assert tiers.hours.lacking(tiers.source, tiers.hour) == 3
    warm, cold = tiers.in_warm, tiers.in_cold[tiers.hour]
    assert warm.fingerprint.rows == cold.fingerprint.rows - 3
    assert warm.fingerprint != cold.fingerprint


@MINUTES
@pytest.mark.parametrize(("change", "is_lacking"), [("- 1", True), ("+ 1", False)])
def test_a_candle_of_fewer_trades_lacks_some(tiers: Tiers, change: str, is_lacking: bool) -> None:
    """As from a backup: its key is there, and what came later is not. One of more trades is a later one."""
    tiers.offload()
    changed = f"UPDATE trade_count = trade_count {change} WHERE timeframe = '1m'"
    tiers.warm.command(f"ALTER TABLE candles {changed} SETTINGS mutations_sync = 1")
    assert tiers.in_warm.fingerprint != tiers.in_cold[tiers.hour].fingerprint
    assert tiers.hours.lacking(tiers.source, tiers.hour) == (tiers.in_warm.fingerprint.rows if is_lacking else 0)


@SILVER
def test_metadata_that_no_catalog_knows_is_not_read(tiers: Tiers) -> None:
    """As of a commit that failed: ClickHouse takes the newest file that it finds, unless it is told the catalog's."""
    io, empty = tiers.table.io, tiers.owner.head().metadata_location
    newest = re.sub(r"/metadata/(v?)\d+", r"/metadata/\g<1>00099", empty)
    tiers.offload()
    with io.new_input(empty).open() as before, io.new_output(newest).create() as file:
        file.write(before.read())
    ((found,),) = tiers.warm.ask(
        "SELECT count() FROM icebergS3({cold_url:String}, {cold_key:String}, {cold_secret:String})",
        **tiers.source.parameters,
    )
    assert found == 0
    assert tiers.in_cold[tiers.hour].fingerprint == tiers.in_warm.fingerprint


@SILVER
def test_a_table_is_read_as_it_was_at_its_head(tiers: Tiers) -> None:
    """Whatever is committed meanwhile."""
    tiers.offload()
    source, before = tiers.source, tiers.in_cold
    tiers.owner.replace(ComparedHour(tiers.hour.start, 0, "", tiers.owner.head().snapshot_id), [])
    assert tiers.hours.cold(source, tiers.hour, tiers.hour) == before
    assert tiers.in_cold == {}


@SILVER
def test_hours_are_apart(tiers: Tiers) -> None:
    """Asked for a day at once: each that has rows, and the last hour of a month is not the next one's first."""
    shifted = "* REPLACE(timestamp + toIntervalHour(1) AS timestamp, kafka_offset + 1000000 AS kafka_offset)"
    sql = f"INSERT INTO silver_trades SELECT {shifted} FROM (SELECT * FROM silver_trades WHERE kafka_offset < 100)"  # noqa: S608
    tiers.warm.command(sql)
    found = tiers.hours.warm(Hour(tiers.hour.number - 12), Hour(tiers.hour.number + 12))
    assert {hour: each.fingerprint.rows for hour, each in found.items()} == {
        tiers.hour: 100_000,
        Hour(tiers.hour.number + 1): 100,
    }
    assert tiers.hours.warm(tiers.hour, tiers.hour) == {tiers.hour: found[tiers.hour]}


@EVERY
def test_rows_that_stand_twice_until_a_merge_count_once(tiers: Tiers) -> None:
    """As after a replay: in the fingerprint and in what is read."""
    before, table = tiers.in_warm, tiers.contract.kept_in
    tiers.warm.command(f"INSERT INTO {table} SELECT * FROM {table}")  # noqa: S608  # a contract's
    assert tiers.in_warm == before
    assert sum(map(len, tiers.hours.slices(tiers.hour))) == before.fingerprint.rows


@SILVER
def test_slices_are_bounded_and_whole(tiers: Tiers) -> None:
    """Each row in one of them, whatever their size; a slice has few symbols where they are large."""
    slices = list(tiers.hours.slices(tiers.hour, 20_000))
    assert sum(map(len, slices)) == 100_000
    assert len({offset for rows in slices for offset in rows["kafka_offset"].to_pylist()}) == 100_000
    assert max(len(set(rows["symbol"].to_pylist())) for rows in slices) == 1
    assert max(map(len, slices)) < 20_000 + 65_536
