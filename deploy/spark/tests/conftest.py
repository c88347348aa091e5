"""Spark on this machine, and the lake's tables written once."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from tests.interop.tables import lake_tables

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.session import session

lake = pytest.fixture(scope="session")(lake_tables)
tables = pytest.fixture(lake_tables)  # of a few commits each, as nobody has maintained them


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with the stack's catalog, on the stack's Java."""
    with session(LakeSettings.load(), SparkSettings.load()) as started:
        yield started
