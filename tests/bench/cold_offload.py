"""The offload of one cold table in a process that does nothing else: ``python -m tests.bench.cold_offload TABLE``.

It prints a line of JSON last, and logs before. Which tiers are meant the environment says, as to the agent.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from k2_shared.core.metrics import Metrics
from k2_shared.lake.memory import keep_small
from offload.adapters import ColdTables
from offload.settings import SERVICE, OffloadSettings


def offload(name: str) -> Mapping[str, float]:
    """Offload a table as the agent does: the rows that were written, CPU seconds, and the peak of resident MB."""
    tables = ColdTables(OffloadSettings.load(), Metrics(SERVICE, "0"))
    began_s = time.process_time()
    account = tables.offload(name)
    spent_s = time.process_time() - began_s
    return {"rows": account.rows, "cpu_s": spent_s, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """The most memory that was resident since this program began, as Linux tells it.

    ``getrusage`` counts what the process that started it had, too.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) * 1_024 / 1e6


if __name__ == "__main__":
    keep_small()
    sys.stdout.write(json.dumps(offload(sys.argv[1])) + "\n")
