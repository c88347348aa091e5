"""Marks that tests of the feeds share."""

import pytest

BOTH = pytest.mark.parametrize("venue", ["KRAKEN", "BINANCE"])
KRAKEN = pytest.mark.parametrize("venue", ["KRAKEN"])
BINANCE = pytest.mark.parametrize("venue", ["BINANCE"])
_LATER = pytest.mark.long
KRAKEN_DAILY = pytest.mark.parametrize("venue", ["KRAKEN", pytest.param("BINANCE", marks=_LATER)])
BINANCE_DAILY = pytest.mark.parametrize("venue", ["BINANCE", pytest.param("KRAKEN", marks=_LATER)])
