"""The k2 command line: the root command, and how every command fails."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from k2_shared.core.errors import K2Error
from k2_shared.core.exits import PIPE_CLOSED, discard_stdout

_INTERRUPTED = 130
_MISUSED = 2
# Imported when one is used: all of them take a second, also for --version and for every TAB.
COMMANDS = {
    "demo": ("k2.demo.command:demo", "Play real recorded trades through every agent and reconcile every stage."),
    "init": (
        "k2.init_command:init",
        "Create every topic, registry subject and table that the contracts name; safe to repeat.",
    ),
    "schema": ("k2.schema.command:app", "A change of the contracts: what it changes where."),
    "migrate": ("k2.migrate.command:app", "Tables of the warm tier (ClickHouse), by numbered migrations."),
    "stack": ("k2.stack:app", "Kafka, schema registry, S3, Iceberg catalog and ClickHouse on this machine."),
    "spark": ("k2.spark.command:app", "A Spark cluster on this machine: a master and two workers."),
    "status": (
        "k2.status.command:status",
        "Show servers, agents, lag, gaps, dead letters and tables, and one verdict.",
    ),
    "resources": (
        "k2.resources.command:resources",
        "Show what each component takes of CPUs and memory, beside its target, and one verdict.",
    ),
    "sink": (
        "k2.sink.command:app",
        "The Iceberg sink: how far its tables are filled, and how one that halted goes on.",
    ),
    "lake": ("k2.lake.command:app", "The Iceberg tables: a fresh start."),
    "topics": (
        "k2.topics.command:topics",
        "Show what each topic holds, who has read it how far, and what differs from its contract.",
    ),
    "lag": ("k2.topics.command:lag", "Show how many committed records each consumer group has not read."),
    "tail": ("k2.tail.command:tail", "Print records, decoded."),
    "trades": ("k2.trades.command:trades", "Print a symbol's trades, each once: the last ones, or those of a time."),
    "ohlcv": (
        "k2.ohlcv.command:ohlcv",
        "Print or draw a symbol's candles: exact, and each says whether it is complete.",
    ),
    "candles": ("k2.candles.command:app", "Candles of the warm tier (ClickHouse)."),
    "warm": ("k2.warm.command:app", "The warm tier (ClickHouse): rows from cold."),
    "offload": ("k2.cold.offload_command:app", "The cold tier (Iceberg): hours of the warm tier."),
    "consistency": (
        "k2.cold.consistency_command:consistency",
        "Compare the warm and the cold tier, hour by hour, to the last digit.",
    ),
    "validate-ohlcv": (
        "k2.validation.command:validate_ohlcv",
        "Recompute all candles from the lake's trades by Spark, and compare ClickHouse's with them, to the last digit.",
    ),
    "maintenance": ("k2.maintenance.command:app", "The lake's maintenance on Spark."),
    "sql": (
        "k2.sql.command:sql",
        "Query the warm tier (ClickHouse), read-only: every row once, decimals exact, times in UTC.",
    ),
    "lineage": (
        "k2.lineage.command:lineage",
        "Show one trade from its frame to its rows, with every repeat and refusal.",
    ),
    "gaps": ("k2.gaps.command:gaps", "List the trade ids that the feeds missed."),
    "feed": ("k2.feed.command:app", "Symbols of the running feeds: adding, removing, going on."),
    "dlq": ("k2.dlq.command:app", "Refused records: what there is, why, and sending them back."),
    "probe-broker": (
        "k2.probe.command:probe_broker",
        "Check on a real broker every promise that exactly-once rests on.",
    ),
}


class Commands(TyperGroup):
    """Imports a command when it is used, and turns what it raises into one line and an exit code with a meaning."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named, imported; where commands are only listed, none is."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name in COMMANDS else found, rest

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the command line, where help and the version are printed; ends as ``invoke`` does."""
        with _ending():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ends with typer.Exit for errors of ours, for Ctrl-C and where nobody reads on."""
        with _ending():
            return super().invoke(ctx)


@contextmanager
def _ending() -> Iterator[None]:
    """Leave the block by typer.Exit for whatever ends a command."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here and not at the interpreter's end, where a closed pipe is a traceback
    except K2Error as error:
        sys.stderr.write(f"k2: {error}\n")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _leave_half_made()
        raise typer.Exit(_INTERRUPTED) from None
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):  # which rich makes of it
            raise
        discard_stdout()
        raise typer.Exit(PIPE_CLOSED) from None


def _leave_half_made() -> None:
    """Say nothing of what was interrupted while it was made: work that had not begun, or an event loop."""
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")
    sys.unraisablehook = lambda _: None


app = typer.Typer(
    cls=Commands,
    help="Every trade of Kraken and Binance, clean, deduplicated, queryable, and proven complete.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def loaded(name: str) -> Any:
    """A command as its module has it: a function, or a group of them."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"k2 {version('k2-cli')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    import logging

    import stamina

    from k2_shared.core.misspellings import misspellings

    logging.getLogger().addHandler(logging.NullHandler())  # a person at a terminal is told of the outcome alone
    stamina.instrumentation.set_on_retry_hooks(())
    doubtful = (each for each in misspellings() if not each.is_clear)  # who reads what is clear refuses it
    sys.stderr.writelines(f"k2: {each}\n" for each in doubtful)


def main() -> None:
    """The console script."""
    try:
        sys.exit(app(prog_name="k2", standalone_mode=False))
    except typer.Abort:
        sys.stderr.write("k2: nothing was done\n")
        sys.exit(1)
    except TyperException as misuse:
        sys.stderr.write(_misused(misuse))
        sys.exit(_MISUSED)


def _misused(misuse: TyperException) -> str:
    """One line of what cannot be, and where to read what can; nothing where help was shown instead."""
    said = " ".join(getattr(misuse, "format_message", misuse.__str__)().split())
    command = getattr(getattr(misuse, "ctx", None), "command_path", "k2")
    return f"k2: {said.removesuffix('.')}: '{command} --help' says what there is\n" if said else ""
