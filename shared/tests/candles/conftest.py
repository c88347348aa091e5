"""Fixtures of the candles' tests."""

import pytest
from shared.tests.candles.stored import StoredCandles


@pytest.fixture
def stored() -> StoredCandles:
    """Nothing is stored yet."""
    return StoredCandles()
