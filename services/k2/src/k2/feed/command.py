"""``k2 feed`` from the command line. Data goes to stdout, chatter to stderr."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from k2.feed import orders
from k2.feed.overview import Line, overview, table
from k2.feed.reading import run, told
from k2.feed.target import Target, Wanted, name
from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.ledger import EventKind, EventRecord, Resumption, SymbolRecord, moment
from k2_shared.kafka.topics import EVENTS, SYMBOLS

_REJECTED = 1

app = typer.Typer(help="Symbols of the running feeds: adding, removing, going on.", no_args_is_help=True)

OfTarget = Annotated[str, typer.Argument(metavar="EXCHANGE:SYMBOL", help="E.g. KRAKEN:BTC/USD.")]
Waits = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the feed's answer.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to wait for the answer.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the order; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class _How:
    """How an order is given."""

    wait: bool
    timeout_s: float
    dry_run: bool
    as_json: bool


@app.command()
def add(
    target: OfTarget,
    backfill_from: Annotated[
        int | None, typer.Option(min=1, help="Fetch older trades too, from this id on.", metavar="ID")
    ] = None,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a symbol captured, without a restart; safe to repeat. Exits 1 when the feed rejects it."""
    record = _record(Target.parse(target), captured=True, backfill_from_id=backfill_from)
    _give(orders.Order(record, EventKind.SUBSCRIBED), _How(wait, timeout_s, dry_run, as_json))


@app.command()
def remove(
    target: OfTarget,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a symbol captured no longer; what was captured stays."""
    record = _record(Target.parse(target), captured=False)
    _give(orders.Order(record, EventKind.UNSUBSCRIBED), _How(wait, timeout_s, dry_run, as_json))


@app.command()
def resume(
    target: OfTarget,
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
    if accept == go_on:
        raise ConfigError("say how to go on: --accept the venue's new numbering, or --continue with the old one")
    decision = Resumption.ACCEPT if accept else Resumption.CONTINUE
    record = _record(Target.parse(target), captured=True, resumption=decision)
    _give(orders.Order(record, EventKind.RESUMED), _How(wait, timeout_s, dry_run, as_json))


@app.command("list")
def list_symbols(
    symbol: Annotated[
        str | None, typer.Option(help="Only this one, at one exchange or at all.", metavar="[EXCHANGE:]SYMBOL")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what was asked for each symbol, whether its feed says that it captures it, and what it last said.

    Where nobody asked, the feed's settings decide."""
    lines, unreadable = run(_lines(Wanted.parse(symbol)))
    if as_json:
        typer.echo(json.dumps([line.shown() for line in lines], indent=2))
    elif lines:
        Console(width=None if sys.stdout.isatty() else 200).print(table(lines))
    else:
        _say("no such symbol")
    if unreadable:
        _say(f"{unreadable} records cannot be read: something else than the feeds or 'k2 feed' wrote them")


async def _lines(wanted: Wanted) -> tuple[list[Line], int]:
    settings = RunSettings.load()
    words = await told(settings, SYMBOLS, ledger.symbols.read, wanted.takes)
    events = await told(settings, EVENTS, ledger.events.read, wanted.takes)
    return overview(words.records, events.records), words.unreadable + events.unreadable


def _record(
    target: Target, *, captured: bool, backfill_from_id: int | None = None, resumption: Resumption | None = None
) -> SymbolRecord:
    return SymbolRecord(
        exchange=target.exchange,
        symbol=target.symbol,
        captured=captured,
        at=ledger.now_us(),
        backfill_from_id=backfill_from_id,
        resumption=resumption,
    )


def _give(order: orders.Order, how: _How) -> None:
    """Give an order, or only show it; ends with 1 when it was rejected."""
    answer = None
    if how.dry_run:
        _say("nothing is written")
    elif how.wait:
        answer = run(orders.give(RunSettings.load(), order, how.timeout_s))
    else:
        run(orders.write(RunSettings.load(), order))
    typer.echo(_as_json(order, answer, how) if how.as_json else _as_line(order, answer, how))
    raise typer.Exit(_REJECTED if answer and answer.kind is EventKind.REJECTED else 0)


def _as_json(order: orders.Order, answer: EventRecord | None, how: _How) -> str:
    said = {"dry_run": how.dry_run, "order": order.record, "answer": answer}
    return msgspec.json.encode(said).decode()


def _as_line(order: orders.Order, answer: EventRecord | None, how: _How) -> str:
    if answer is None:
        verb = "would be ordered" if how.dry_run else "ordered"
        return f"{name(order.record)} {verb}: {msgspec.json.encode(order.record).decode()}"
    detail = f": {answer.detail}" if answer.detail else ""
    return f"{name(order.record)} {answer.kind} by {answer.service} at {moment(answer.at)}{detail}"


def _say(line: str) -> None:
    typer.echo(line, err=True)
