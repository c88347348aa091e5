"""``k2 gaps`` from the command line. Data goes to stdout, chatter to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from k2.feed.exchange_symbol import SymbolFilter, name
from k2.feed.reading import read_topic
from k2.gaps.account import AccountedGap, account
from k2.running import run
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.kafka.topics import GAPS

_SETTLED = 100


def gaps(
    symbol: Annotated[
        str | None, typer.Option(help="Only this one, at one exchange or at all.", metavar="[EXCHANGE:]SYMBOL")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"Every settled gap, not the newest {_SETTLED}.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the trade ids that the feeds missed: the open gaps first, then what was filled or given up."""
    found = run(read_topic(RunSettings.load(), GAPS, feed_records.gaps.read, SymbolFilter.parse(symbol).takes))
    every = account(found.records)
    shown = every if everything else _newest(every)
    now = feed_records.now_us()
    if as_json:
        typer.echo(json.dumps([row(gap, now) for gap in shown], indent=2))
    elif shown:
        Console(width=None if sys.stdout.isatty() else 200).print(table(shown, now))
    _chat(len(every), len(every) - len(shown), found.unreadable)


def _newest(every: Sequence[AccountedGap]) -> Sequence[AccountedGap]:
    """Every open gap, and the newest of the settled."""
    return every[: sum(gap.settled_at is None for gap in every) + _SETTLED]


def _chat(count: int, left_off: int, unreadable: int) -> None:
    """Say what the data does not."""
    if not count:
        typer.echo("no such gap", err=True)
    if left_off:
        typer.echo(f"{left_off} older settled gaps are left off: --all shows them", err=True)
    if unreadable:
        typer.echo(
            f"{unreadable} records of the ledger cannot be read: something else than a feed wrote them", err=True
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
        "opened": feed_records.moment(gap.opened_at),
        "seconds": round(gap.latency_s(now), 3),
    }


def table(gaps: Iterable[AccountedGap], now: int) -> Table:
    """Gaps for people."""
    drawn = Table("symbol", "state", "first id", "last id", "count", "cause", "opened", "seconds", box=None)
    for gap in gaps:
        drawn.add_row(*(str(value) for value in row(gap, now).values()))
    return drawn
