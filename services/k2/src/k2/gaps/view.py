"""Gaps, for people and for machines."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from k2.feed.exchange_symbol import name
from k2.gaps.account import AccountedGap
from k2.terminal import Column, table
from k2_shared.feed.coverage.feed_records import moment

_STYLES = {"open": "yellow", "filled": "green", "unfillable": "red"}
_COLUMNS = (
    Column("symbol"),
    Column("state"),
    Column("first id", 0, "right"),
    Column("last id", 0, "right"),
    Column("count", 2, "right"),
    Column("cause", 3),
    Column("opened", 4),
    Column("seconds", 1, "right"),
)


def row(gap: AccountedGap, now: int) -> dict[str, str | int | float]:
    """A gap as it is shown, in the order of the columns; ``seconds`` run from the opening to the end, or to now."""
    return {
        "symbol": name(gap),
        "state": "open" if gap.settled_at is None else gap.state.value,
        "first_id": gap.first_id,
        "last_id": gap.last_id,
        "count": gap.count,
        "cause": gap.cause.value,
        "opened": moment(gap.opened_at),
        "seconds": round(gap.latency_s(now), 3),
    }


def as_table(gaps: Iterable[AccountedGap], now: int, width: int) -> Table:
    """Gaps for people, no wider than that."""
    return table(_COLUMNS, [_cells(row(gap, now)) for gap in gaps], width)


def _cells(of: dict[str, str | int | float]) -> list[str | Text]:
    symbol, state, *rest = map(str, of.values())
    return [symbol, Text(state, _STYLES[state]), *rest]
