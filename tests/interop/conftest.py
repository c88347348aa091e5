"""The lake's tables, written once for all engines."""

import pytest
from tests.interop.tables import lake_tables

lake = pytest.fixture(scope="package")(lake_tables)
