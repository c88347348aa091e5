"""Every candle is exact and says what it lacks, whatever dies: rounds of faults by seed on a warm tier under load.

Run it by ``make test-candles``. People are told on stderr; the last line on stdout is one JSON object.
"""

import sys
from pathlib import Path

from tests.candles.faults import faults
from tests.candles.world import CandleWorld
from tests.warm.run import Suite, run

if __name__ == "__main__":
    suite = Suite("make test-candles", __doc__, CandleWorld, faults(), each=3, rounds=15, state=Path(".k2/candles"))
    sys.exit(run(suite))
