"""The k2 command line: the root command, and how every command fails."""

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import stamina
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from k2 import stack
from k2.demo import command as demo
from k2.dlq import command as dlq
from k2.feed import command as feed
from k2.gaps import command as gaps
from k2.lineage import command as lineage
from k2.probe import command as probe
from k2.tail import command as tail
from k2.topics import command as topics
from k2_shared.core.errors import K2Error
from k2_shared.kafka import codecs

_INTERRUPTED = 130
_PIPE_CLOSED = 141  # as of a program that SIGPIPE ends
_MISUSED = 2


class Commands(TyperGroup):
    """Turns what a command raises into one line on stderr and an exit code that means something."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ends with typer.Exit for errors of ours, for Ctrl-C and where nobody reads on."""
        try:
            return super().invoke(ctx)
        except K2Error as error:
            sys.stderr.write(f"k2: {error}\n")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
            raise typer.Exit(_PIPE_CLOSED) from None


app = typer.Typer(
    cls=Commands,
    help="Every trade of Kraken and Binance, clean, deduplicated, queryable, and proven complete.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(stack.app, name="stack")
app.add_typer(dlq.app, name="dlq")
app.add_typer(feed.app, name="feed")
app.command()(topics.topics)
app.command()(topics.lag)
app.command()(tail.tail)
app.command()(lineage.lineage)
app.command()(gaps.gaps)
app.command()(demo.demo)
app.command()(probe.probe_broker)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"k2 {version('k2-cli')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    codecs.check()


@app.command()
def init() -> None:
    """Create every topic, registry subject and Iceberg table that the contracts name; safe to repeat."""
    from k2 import init as work  # imported when used: the table format's library takes a second

    sys.stderr.write(work.apply(work.InitSettings.load()) + "\n")


def main() -> None:
    """The console script."""
    stamina.instrumentation.set_on_retry_hooks(())  # a person at a terminal is told of the outcome alone
    logging.getLogger().addHandler(logging.NullHandler())  # and not by libraries
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
