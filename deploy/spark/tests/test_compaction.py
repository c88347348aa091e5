"""What compaction makes of a table: of closed partitions alone, in its own order, in files of the size that is set."""

import os
from datetime import UTC, date, datetime, timedelta

import pyarrow.compute as pc
from deploy.spark.tests.maintained import GOLD, Tables, behind, maintained, partitions, rows, steps
from pyspark.sql import SparkSession
from tests.interop.tables import Written

from k2_shared.batch.settings import MaintenanceSettings
from k2_spark.procedures import Procedures
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.lake_requests import commit

MIB = 1 << 20
TARGET = 128 * MIB
FEW_BYTES = 2_000
FIRST_DAY = date(1970, 1, 1)
MIDNIGHT = date(2025, 11, 11)
HALF_PAST_ONE = datetime(2025, 11, 11, 1, 30, tzinfo=UTC)  # the hour of midnight is in its grace: it is open


def compacted(spark: SparkSession, written: Written, now: datetime, target: int = TARGET) -> None:
    Procedures(spark, f"{written.namespace}.{GOLD}", written.contract).compact(target, now)


def files_in(written: Written, *, closed: bool) -> set[str]:
    """The data files of the partitions before that midnight, or of those from it on."""
    found = written.load().inspect.files().to_pylist()
    return {each["file_path"] for each in found if (each["partition"]["exchange_date"] < MIDNIGHT) == closed}


def test_files_of_open_partitions_stay_as_they_are(spark: SparkSession, tables: Tables) -> None:
    """Rows are on their way to them; those of closed ones are others afterwards."""
    gold = tables[GOLD]
    was_open, was_closed = files_in(gold, closed=False), files_in(gold, closed=True)
    compacted(spark, gold, HALF_PAST_ONE)
    assert was_open
    assert files_in(gold, closed=False) == was_open
    assert not files_in(gold, closed=True) & was_closed


def test_a_compacted_file_is_in_the_tables_order(spark: SparkSession, tables: Tables) -> None:
    """As it is read, row after row: what bounds of pages are good for."""
    gold = tables[GOLD]
    compacted(spark, gold, datetime.now(UTC))
    for task in gold.load().scan().plan_files():
        day, hour = FIRST_DAY + timedelta(days=task.file.partition[0]), task.file.partition[1]
        at = f"exchange_date = '{day}' and exchange_hour = {hour}"
        found = gold.load().scan(row_filter=at).to_arrow().select(gold.contract.sort_by)
        assert found.num_rows == task.file.record_count
        order = [(name, "ascending") for name in gold.contract.sort_by]
        assert found == found.take(pc.sort_indices(found, order, null_placement="at_start"))


def test_files_become_as_large_as_is_told_and_no_larger(spark: SparkSession, tables: Tables) -> None:
    """A partition of more bytes has several, of the same rows."""
    gold = tables[GOLD]
    before = rows(gold)
    compacted(spark, gold, datetime.now(UTC), FEW_BYTES)
    found = partitions(gold)
    assert len(found) > len({str(each) for each in found})
    assert rows(gold) == before


def test_files_are_of_128_mib_where_nothing_else_is_said() -> None:
    assert MaintenanceSettings.model_fields["maintenance_target_bytes"].default == TARGET


def test_what_met_anothers_commit_is_done_again(tables: Tables) -> None:
    """All files are replaced by others of the same rows when the first commit is on its way: a part is no whole."""
    gold = tables[GOLD]
    before = rows(gold)

    def replaced(body: bytes) -> bytes:
        table = gold.load()
        every = table.scan().to_arrow()
        table.overwrite(every.slice(0, every.num_rows // 2))
        table.append(every.slice(every.num_rows // 2))
        return body

    met = ProxyRule(commit(GOLD), None, after=True, answered=True, change=replaced, containing=b'"replace"', times=1)
    with HttpProxy(os.environ["ICEBERG_CATALOG_URI"]).listening() as proxy, proxy.ruled(met):
        (told,) = maintained(tables, *steps("compact"), **behind(proxy))
    assert met.done == 1
    assert (told.reason, told.facts["files_in_fullest_partition"]) == ("", 1)
    assert len(partitions(gold)) == told.facts["files"]
    assert rows(gold) == before
