"""What the faults of the warm tier share: which requests are inserts, and halves of them."""

import functools
import random

from tests.faults.supervisor import until
from tests.warm.halves import some_days, some_rows
from tests.warm.world import TABLES

from k2_support.http_proxy import Change, ProxyRule, Which

PARTITIONED = [name for name, table in TABLES.items() if table.partition_by]
WIDE_DAYS = 40
"""How far back the days of a batch lie where an insert is to be many parts."""


def inserting(table: str = "") -> Which:
    """The inserts into a table, or into any."""

    def which(method: str, path: str) -> bool:
        return method == "POST" and "INSERT" in path.upper() and table in path and "sink_state" not in path

    return which


def half_of(table: str, rng: random.Random) -> Change:
    """What cuts an insert into a table down to some of its days; of one that follows another, to some of its rows."""
    if table not in TABLES:
        return functools.partial(some_rows, rng=rng)
    return functools.partial(some_days, column=TABLES[table].partition_by, rng=rng)


async def met(rule: ProxyRule, times: int = 1) -> None:
    """Wait until so many requests have met a rule."""
    await until(lambda: rule.done >= times, f"{times} requests that are met")
