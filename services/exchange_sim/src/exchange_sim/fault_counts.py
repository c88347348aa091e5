"""How often each injected fault had its effect: counted for /sim/status, summed in the oracle log."""

import time
from collections import Counter
from dataclasses import dataclass

from exchange_sim.model import Venue
from exchange_sim.oracle import OracleLog


@dataclass(slots=True)
class _Run:
    """One kind's count since the last flush: a fault of every frame must not fill the log."""

    since_ns: int
    struck: int = 0


class FaultCounts:
    """Counts by kind; a line of the log sums those of one kind, venue and symbol between two flushes."""

    def __init__(self, log: OracleLog) -> None:
        self._log = log
        self._counts: Counter[str] = Counter()
        self._runs: dict[tuple[str, Venue, str | None], _Run] = {}

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind had its effect, by name."""
        return dict(sorted(self._counts.items()))

    def struck(self, kind: str, venue: Venue, symbol: str | None = None, count: int = 1) -> None:
        """A fault had its effect, ``count`` times."""
        if count:
            self._counts[kind] += count
            self._runs.setdefault((kind, venue, symbol), _Run(time.time_ns())).struck += count

    def flush(self) -> None:
        """Hand what is noted to the log, and have it written."""
        for (kind, venue, symbol), run in self._runs.items():
            entry = {"fault": kind, "venue": venue, "symbol": symbol, "struck": run.struck, "time_ns": run.since_ns}
            self._log.record(entry)
        self._runs.clear()
        self._log.flush()
