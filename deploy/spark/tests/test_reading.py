"""Spark reads what the Iceberg sink has written, and other engines read what Spark has done to it."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from tests.interop.canonical import canonical
from tests.interop.tables import Row, Written

from k2_shared.core import contracts
from k2_spark.settings import CATALOG


def rows(spark: SparkSession, written: Written) -> list[Row]:
    """The rows as Spark has them; it gives Python times without their zone, so it counts the microseconds itself."""
    frame = spark.table(name(written))
    times = {column.name for column in written.contract.columns if column.type == "timestamptz"}
    counted = [f.unix_micros(each).alias(each) if each in times else f.col(each) for each in frame.columns]
    return [row.asDict(recursive=True) for row in frame.select(counted).collect()]


def name(written: Written) -> str:
    return f"{CATALOG}.{written.namespace}.{written.contract.name}"


def expected(written: Written) -> list[str]:
    return canonical(written.contract, written.rows)


@pytest.mark.parametrize("table", contracts.tables())
def test_spark_reads_every_row_to_the_last_digit(spark: SparkSession, lake: dict[str, Written], table: str) -> None:
    """Nulls, maps, bytes, microseconds and extreme decimals are what the records said."""
    assert canonical(lake[table].contract, rows(spark, lake[table])) == expected(lake[table])


def test_what_spark_has_compacted_is_read_as_before(spark: SparkSession, lake: dict[str, Written]) -> None:
    """Files of several commits become one of each hour, and neither Spark nor pyiceberg reads another row of them."""
    written = lake["gold_crypto_trades"]
    options = "map('rewrite-all', 'true', 'max-concurrent-file-group-rewrites', '2')"
    table = f"{written.namespace}.{written.contract.name}"
    spark.sql(f"CALL {CATALOG}.system.rewrite_data_files(table => '{table}', options => {options})").collect()
    files = spark.table(f"{name(written)}.files").select("partition").collect()
    assert len(files) == len(set(files)) > 1
    assert canonical(written.contract, rows(spark, written)) == expected(written)
    assert canonical(written.contract, written.load().scan().to_arrow().to_pylist()) == expected(written)
