"""``k2 gaps`` from the command line. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from k2.terminal import console

if TYPE_CHECKING:
    from k2.gaps.account import AccountedGap

_SETTLED = 100


def gaps(
    symbol: Annotated[
        str | None, typer.Option(help="Only this one, at one exchange or at all.", metavar="[EXCHANGE:]SYMBOL")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"Every settled gap, not the newest {_SETTLED}.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the trade ids that the feeds missed: the open gaps first, then what was filled or given up."""
    from k2.gaps import ledger
    from k2.gaps.view import as_table, row
    from k2_shared.feed.coverage.feed_records import now_us

    every, unreadable = ledger.read(symbol)
    shown = every if everything else _newest(every)
    if as_json:
        typer.echo(json.dumps([row(gap, now_us()) for gap in shown], indent=2))
    elif shown:
        out = console()
        out.print(as_table(shown, now_us(), out.width))
    if not every:
        typer.echo(f"no gaps recorded{f' of {symbol}' if symbol else ''}", err=True)
    _chat(len(every) - len(shown), unreadable)


def _newest(every: Sequence["AccountedGap"]) -> Sequence["AccountedGap"]:
    """Every open gap, and the newest of the settled."""
    return every[: sum(gap.settled_at is None for gap in every) + _SETTLED]


def _chat(left_off: int, unreadable: int) -> None:
    """Say what the data does not."""
    if left_off:
        typer.echo(f"{left_off} older settled gaps are left off: --all shows them", err=True)
    if unreadable:
        typer.echo(
            f"{unreadable} records of the ledger cannot be read: something else than a feed wrote them", err=True
        )
