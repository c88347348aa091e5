"""Every engine reads every table of the lake as its records say, to the last digit."""

from collections.abc import Mapping

import pytest
from tests.interop.canonical import canonical
from tests.interop.engines import ENGINES
from tests.interop.tables import Row, Written

from k2_shared.core import contracts

WITHOUT_NULL_MAPS = ("clickhouse",)
"""Their maps are empty where the table has none: ClickHouse has no ``Nullable(Map)``."""

pytestmark = pytest.mark.filterwarnings("ignore:Iceberg scan planning with the polars_iceberg plugin")


def expected(written: Written, engine: str) -> list[str]:
    """The rows as an engine should have them."""
    rows = map(without_null_maps, written.rows) if engine in WITHOUT_NULL_MAPS else written.rows
    return canonical(written.contract, rows)


def without_null_maps(row: Row) -> Mapping[str, object]:
    return {**row, "vendor_data": row["vendor_data"] or {}} if "vendor_data" in row else row


@pytest.mark.parametrize("table", contracts.tables())
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_reads_every_row_to_the_last_digit(lake: dict[str, Written], engine: str, table: str) -> None:
    """Nulls, maps, bytes, microseconds and extreme decimals are what the records said."""
    written = lake[table]
    assert canonical(written.contract, ENGINES[engine](written)) == expected(written, engine)


@pytest.mark.parametrize("table", contracts.tables())
def test_the_tables_are_of_several_commits_and_partitions(lake: dict[str, Written], table: str) -> None:
    """So that no engine reads rightly only what is one file."""
    loaded = lake[table].load()
    partitions = {str(each) for each in loaded.inspect.files()["partition"].to_pylist()}
    assert len(loaded.snapshots()) > 1
    assert len(partitions) > 1


@pytest.mark.parametrize("table", contracts.tables())
def test_every_column_that_may_be_null_is_tried_with_and_without(lake: dict[str, Written], table: str) -> None:
    """Of maps also the empty and those of several entries; decimals reach both ends."""
    rows = lake[table].rows
    for column in NULLABLE[lake[table].contract.rows]:
        assert {row[column] is None for row in rows} == {True, False}
    if "vendor_data" in rows[0]:
        assert {len(row["vendor_data"]) for row in rows if row["vendor_data"] is not None} >= {0, 1, 3}
        assert [str(limit(row["price"] for row in rows)) for limit in (min, max)] == [
            "-9999999999.99999999",
            "9999999999.99999999",
        ]


NULLABLE = {
    "trade_v3": ("source_sequence", "vendor_data"),
    "envelope": ("message_key", "avro_payload"),
    "letter": ("message_key", "value", "source_partition", "source_offset", "schema_id"),
}
