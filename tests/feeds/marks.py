"""Marks that tests of the feeds share."""

import pytest

BOTH = pytest.mark.parametrize("venue", ["KRAKEN", "BINANCE"])
KRAKEN = pytest.mark.parametrize("venue", ["KRAKEN"])
BINANCE = pytest.mark.parametrize("venue", ["BINANCE"])
