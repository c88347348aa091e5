"""Which tiers a query has to ask: the warm one has what is recent, and most questions are about that. Blocks."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from k2.sql.symbol_times import SymbolTimes

if TYPE_CHECKING:
    from k2.sql.warm_reader import WarmReader

_MARGIN = timedelta(days=1)  # of what is about to leave the warm tier nothing is certain


def asks_cold(reader: "WarmReader", of: SymbolTimes, kept_hours: int, enough: str, now: datetime) -> bool:
    """Whether the warm tier may lack rows that are meant: of a time from which on it has all, it does not.

    Where no time is said the last rows are meant; ``enough`` asks whether it has as many.

    Raises:
        K2Error: see ``WarmReader.result``.
    """
    if of.start:
        return of.start < now - timedelta(hours=kept_hours) + _MARGIN
    with reader.result(enough, of.parameters, final=0) as result:
        return not any(bool(found) for block in result.blocks for found in block[0])
