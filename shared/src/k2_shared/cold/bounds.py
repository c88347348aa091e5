"""Hours as bounds of a query of ClickHouse's. Pure."""

from datetime import datetime

from k2_shared.cold.hours import Hour
from k2_shared.core.contracts import ColdTableContract

_TIME = "fromUnixTimestamp64Micro({{{}:Int64}}, 'UTC')"


def within(contract: ColdTableContract) -> str:
    """The condition that a row of either tier is of the hours that ``bounds`` names."""
    by = contract.hour_by
    return f"{by} >= {_TIME.format('begin')} AND {by} < {_TIME.format('end')}"


def bounds(first: Hour, last: Hour) -> dict[str, int]:
    """The parameters of that condition, for hours from ``first`` to ``last``, both included."""
    return {"begin": microseconds(first.start), "end": microseconds(last.end)}


def since(column: str) -> str:
    """The condition that a column's time is not before the parameter ``since``."""
    return f"{column} >= {_TIME.format('since')}"


def microseconds(moment: datetime) -> int:
    """A moment as a parameter: whole seconds are meant."""
    return int(moment.timestamp()) * 1_000_000
