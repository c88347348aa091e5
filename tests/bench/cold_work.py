"""What the cold tier's work costs: the offload of each table, and the comparison of both tiers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.warm_place import WarmPlace

from k2_shared.cold.tables import cold_tables

_LIMIT_S = 1_800.0  # of one process


@dataclass(frozen=True)
class OffloadCost:
    """CPU seconds for so many rows, of the process that offloads them and of the server; ``peak_mb`` is the process's.

    ``server_s`` is None where the server is on another machine.
    """

    rows: int
    cpu_s: float
    server_s: float | None
    peak_mb: float

    @property
    def rate(self) -> float:
        """Rows per CPU second of the process."""
        return self.rows / self.cpu_s


def offloaded(place: WarmPlace, table: str) -> OffloadCost:
    """Offload a table in a process of its own. Blocks.

    Raises:
        SystemExit: it failed.
    """
    before_s = place.server_s()
    done = _run(place, "tests.bench.cold_offload", table)
    after_s = place.server_s()
    if done.returncode:
        raise SystemExit(f"the offload of {table} ended with {done.returncode}: {done.stdout[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    server_s = None if before_s is None or after_s is None else after_s - before_s
    return OffloadCost(server_s=server_s, **found)


def offloaded_each(place: WarmPlace) -> dict[str, OffloadCost]:
    """Offload every cold table, one after the other. Blocks."""
    return {table: offloaded(place, table) for table in cold_tables()}


def compared(place: WarmPlace, costs: Mapping[str, OffloadCost]) -> float:
    """Compare all layers by ``k2 consistency``; the seconds that it takes. Blocks.

    Raises:
        SystemExit: it failed, the tiers differ, or not each row that was offloaded was compared; says what.
    """
    began = time.monotonic()
    done = _run(place, "k2", "consistency", "--json")
    took_s = time.monotonic() - began
    if not done.stdout:
        raise SystemExit(f"k2 consistency ended with {done.returncode}")
    if said := unlike(json.loads(done.stdout)["rows"], costs):
        raise SystemExit("the tiers are not equal: " + "; ".join(said))
    return took_s


def unlike(layers: Sequence[Mapping[str, Any]], costs: Mapping[str, OffloadCost]) -> list[str]:
    """What a comparison says that is not so when each table has been offloaded, or nothing. Pure."""
    pairs = zip(layers, costs.values(), strict=True)
    return [
        f"{layer['layer']}: of {cost.rows:,} rows {layer['warm']:,} in warm, {layer['cold']:,} in cold, and "
        f"{len(layer['differing'])} hours that differ: {layer['differing'][:2]}"
        for layer, cost in pairs
        if not (layer["equal"] and layer["warm"] == layer["cold"] == cost.rows)
    ]


def _run(place: WarmPlace, module: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of this place to its end; what it says for people is shown.

    Raises:
        SystemExit: it did not end in time, and was killed.
    """
    environment = {**os.environ, "K2_PREFIX": place.bench.names.prefix}
    command = [sys.executable, "-m", module, *words]
    try:
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{' '.join([module, *words])} was not done after {_LIMIT_S:.0f} s") from None
