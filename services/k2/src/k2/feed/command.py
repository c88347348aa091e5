"""``k2 feed`` from the command line. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
from typing import Annotated

import typer

from k2.terminal import console
from k2_shared.core.errors import ConfigError

app = typer.Typer(
    help="Symbols of the running feeds: adding, removing, going on.", no_args_is_help=True, add_completion=False
)

SymbolArgument = Annotated[str, typer.Argument(metavar="EXCHANGE:SYMBOL", help="E.g. KRAKEN:BTC/USD.")]
Waits = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the feed's answer.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to wait for the answer.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the command; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(
    symbol: SymbolArgument,
    backfill_from: Annotated[
        int | None, typer.Option(min=1, help="Fetch older trades too, from this id on.", metavar="ID")
    ] = None,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a symbol captured, without a restart; safe to repeat. Exits 1 when the feed rejects it."""
    from k2.feed import orders

    raise typer.Exit(orders.add(symbol, backfill_from, orders.SendOptions(wait, timeout_s, dry_run, as_json)))


@app.command()
def remove(
    symbol: SymbolArgument,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a symbol captured no longer; what was captured stays."""
    from k2.feed import orders

    raise typer.Exit(orders.remove(symbol, orders.SendOptions(wait, timeout_s, dry_run, as_json)))


@app.command()
def resume(
    symbol: SymbolArgument,
    accept: Annotated[
        bool, typer.Option("--accept", help="The venue numbers anew: take the ids as they come.")
    ] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="The venue erred: the old numbering goes on.")] = False,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let a symbol go on that stopped because the venue's trade ids went back."""
    from k2.feed import orders
    from k2_shared.feed.coverage.feed_records import Resumption

    if accept == go_on:
        raise ConfigError("say how to go on: --accept the venue's new numbering, or --continue with the old one")
    decision = Resumption.ACCEPT if accept else Resumption.CONTINUE
    raise typer.Exit(orders.resume(symbol, decision, orders.SendOptions(wait, timeout_s, dry_run, as_json)))


@app.command("list")
def list_symbols(
    symbol: Annotated[
        str | None, typer.Option(help="Only this one, at one exchange or at all.", metavar="[EXCHANGE:]SYMBOL")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what was asked for each symbol, whether its feed says that it captures it, and what it last said.

    Where nobody asked, the feed's settings decide."""
    from k2.feed import symbol_table

    statuses, unreadable = symbol_table.read(symbol)
    if as_json:
        typer.echo(json.dumps([status.shown() for status in statuses], indent=2))
    elif statuses:
        out = console()
        out.print(symbol_table.as_table(statuses, out.width))
    else:
        _say(f"no feed and no order has named {symbol or 'a symbol'}")
    if unreadable:
        _say(f"{unreadable} records cannot be read: something else than the feeds or 'k2 feed' wrote them")


def _say(line: str) -> None:
    typer.echo(line, err=True)
