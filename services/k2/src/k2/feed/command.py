"""``k2 feed`` from the command line. Data goes to stdout, chatter to stderr."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from k2.feed import symbol_commands
from k2.feed.exchange_symbol import ExchangeSymbol, SymbolFilter, name
from k2.feed.overview import SymbolStatus, overview, table
from k2.feed.reading import read_topic
from k2.running import run
from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, Resumption, SymbolRecord, moment
from k2_shared.kafka.topics import EVENTS, SYMBOLS

_REJECTED = 1

app = typer.Typer(help="Symbols of the running feeds: adding, removing, going on.", no_args_is_help=True)

SymbolArgument = Annotated[str, typer.Argument(metavar="EXCHANGE:SYMBOL", help="E.g. KRAKEN:BTC/USD.")]
Waits = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the feed's answer.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to wait for the answer.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the command; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class _SendOptions:
    """How a symbol command is sent: whether and for how many seconds to wait, and how to print it."""

    wait: bool
    timeout_s: float
    dry_run: bool
    as_json: bool


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
    record = _record(ExchangeSymbol.parse(symbol), captured=True, backfill_from_id=backfill_from)
    _send(symbol_commands.SymbolCommand(record, EventKind.SUBSCRIBED), _SendOptions(wait, timeout_s, dry_run, as_json))


@app.command()
def remove(
    symbol: SymbolArgument,
    wait: Waits = True,
    timeout_s: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a symbol captured no longer; what was captured stays."""
    record = _record(ExchangeSymbol.parse(symbol), captured=False)
    _send(
        symbol_commands.SymbolCommand(record, EventKind.UNSUBSCRIBED), _SendOptions(wait, timeout_s, dry_run, as_json)
    )


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
    if accept == go_on:
        raise ConfigError("say how to go on: --accept the venue's new numbering, or --continue with the old one")
    decision = Resumption.ACCEPT if accept else Resumption.CONTINUE
    record = _record(ExchangeSymbol.parse(symbol), captured=True, resumption=decision)
    _send(symbol_commands.SymbolCommand(record, EventKind.RESUMED), _SendOptions(wait, timeout_s, dry_run, as_json))


@app.command("list")
def list_symbols(
    symbol: Annotated[
        str | None, typer.Option(help="Only this one, at one exchange or at all.", metavar="[EXCHANGE:]SYMBOL")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what was asked for each symbol, whether its feed says that it captures it, and what it last said.

    Where nobody asked, the feed's settings decide."""
    statuses, unreadable = run(_statuses(SymbolFilter.parse(symbol)))
    if as_json:
        typer.echo(json.dumps([status.shown() for status in statuses], indent=2))
    elif statuses:
        Console(width=None if sys.stdout.isatty() else 200).print(table(statuses))
    else:
        _say("no such symbol")
    if unreadable:
        _say(f"{unreadable} records cannot be read: something else than the feeds or 'k2 feed' wrote them")


async def _statuses(symbols: SymbolFilter) -> tuple[list[SymbolStatus], int]:
    settings = RunSettings.load()
    words = await read_topic(settings, SYMBOLS, feed_records.symbols.read, symbols.takes)
    events = await read_topic(settings, EVENTS, feed_records.events.read, symbols.takes)
    return overview(words.records, events.records), words.unreadable + events.unreadable


def _record(
    symbol: ExchangeSymbol, *, captured: bool, backfill_from_id: int | None = None, resumption: Resumption | None = None
) -> SymbolRecord:
    return SymbolRecord(
        exchange=symbol.exchange,
        symbol=symbol.symbol,
        captured=captured,
        at=feed_records.now_us(),
        backfill_from_id=backfill_from_id,
        resumption=resumption,
    )


def _send(command: symbol_commands.SymbolCommand, options: _SendOptions) -> None:
    """Send a command, or with ``dry_run`` only print it; exits 1 when the feed rejected it."""
    answer = None
    if options.dry_run:
        _say("nothing is written")
    elif options.wait:
        answer = run(symbol_commands.send_and_wait(RunSettings.load(), command, options.timeout_s))
    else:
        run(symbol_commands.send(RunSettings.load(), command))
    typer.echo(_as_json(command, answer, options) if options.as_json else _as_line(command, answer, options))
    raise typer.Exit(_REJECTED if answer and answer.kind is EventKind.REJECTED else 0)


def _as_json(command: symbol_commands.SymbolCommand, answer: EventRecord | None, options: _SendOptions) -> str:
    said = {"dry_run": options.dry_run, "order": command.record, "answer": answer}
    return msgspec.json.encode(said).decode()


def _as_line(command: symbol_commands.SymbolCommand, answer: EventRecord | None, options: _SendOptions) -> str:
    if answer is None:
        verb = "would be ordered" if options.dry_run else "ordered"
        return f"{name(command.record)} {verb}: {msgspec.json.encode(command.record).decode()}"
    detail = f": {answer.detail}" if answer.detail else ""
    return f"{name(command.record)} {answer.kind} by {answer.service} at {moment(answer.at)}{detail}"


def _say(line: str) -> None:
    typer.echo(line, err=True)
