"""Orders to the running feeds for the command line: made, sent, and their answers printed."""

from dataclasses import dataclass

import msgspec
import typer

from k2.feed import symbol_commands
from k2.feed.exchange_symbol import ExchangeSymbol, name
from k2.feed.symbol_commands import SymbolCommand
from k2.interruption import telling
from k2.running import run
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, Resumption, SymbolRecord, moment

_REJECTED = 1


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How a symbol command is sent: whether and for how many seconds to wait, and how to print it."""

    wait: bool
    timeout_s: float
    dry_run: bool
    as_json: bool


def add(symbol: str, backfill_from_id: int | None, options: SendOptions) -> int:
    """Order a symbol to be captured; returns the exit code, as the others do. All of them block.

    Raises:
        ConfigError: that is no symbol, or a topic does not exist.
        Unavailable: no answer came in time, or no broker answered.
    """
    record = _record(symbol, captured=True, backfill_from_id=backfill_from_id)
    return _send(SymbolCommand(record, EventKind.SUBSCRIBED), options)


def remove(symbol: str, options: SendOptions) -> int:
    """Order a symbol to be captured no longer."""
    return _send(SymbolCommand(_record(symbol, captured=False), EventKind.UNSUBSCRIBED), options)


def resume(symbol: str, decision: Resumption, options: SendOptions) -> int:
    """Order how a symbol goes on whose trade ids went back."""
    return _send(SymbolCommand(_record(symbol, captured=True, resumption=decision), EventKind.RESUMED), options)


def _record(
    symbol: str, *, captured: bool, backfill_from_id: int | None = None, resumption: Resumption | None = None
) -> SymbolRecord:
    of = ExchangeSymbol.parse(symbol)
    return SymbolRecord(
        exchange=of.exchange,
        symbol=of.symbol,
        captured=captured,
        at=feed_records.now_us(),
        backfill_from_id=backfill_from_id,
        resumption=resumption,
    )


def _send(command: SymbolCommand, options: SendOptions) -> int:
    """Send a command, or with ``dry_run`` only print it; 1 when the feed rejected it."""
    answer = None
    if options.dry_run:
        typer.echo("nothing is written", err=True)
    else:
        answer = _sent(command, options)
    typer.echo(_as_json(command, answer, options) if options.as_json else _as_line(command, answer, options))
    return _REJECTED if answer and answer.kind is EventKind.REJECTED else 0


def _sent(command: SymbolCommand, options: SendOptions) -> EventRecord | None:
    stands: list[SymbolCommand] = []

    def waiting(acknowledged: SymbolCommand) -> None:
        stands.append(acknowledged)
        typer.echo(f"ordered; waiting for {_feed(command)}, {options.timeout_s:g} s at most", err=True)

    with telling(lambda: _left(command, stands=bool(stands))):
        if options.wait:
            return run(symbol_commands.send_and_wait(RunSettings.load(), command, options.timeout_s, waiting))
        run(symbol_commands.send(RunSettings.load(), command))
    return None


def _left(command: SymbolCommand, *, stands: bool) -> str:
    """What is left of an order that nobody waits for any longer."""
    what = f"the order stands, and {_feed(command)} does it when it runs" if stands else "the order may not be written"
    return f"{what}: 'k2 feed list --symbol {name(command.record)}' says what is asked for and captured"


def _feed(command: SymbolCommand) -> str:
    return f"feed_{command.record.exchange.lower()}"


def _as_json(command: SymbolCommand, answer: EventRecord | None, options: SendOptions) -> str:
    said = {"dry_run": options.dry_run, "order": command.record, "answer": answer}
    return msgspec.json.encode(said).decode()


def _as_line(command: SymbolCommand, answer: EventRecord | None, options: SendOptions) -> str:
    if answer is None:
        verb = "would be ordered" if options.dry_run else "ordered"
        return f"{name(command.record)} {verb}: {msgspec.json.encode(command.record).decode()}"
    detail = f": {answer.detail}" if answer.detail else ""
    return f"{name(command.record)} {answer.kind} by {answer.service} at {moment(answer.at)}{detail}"
