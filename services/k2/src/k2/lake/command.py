"""``k2 lake`` from the command line; heavy parts are imported when used."""

import sys
from typing import Annotated

import typer

from k2.interruption import telling
from k2_shared.core.errors import ConfigError

app = typer.Typer(help="The Iceberg tables: a fresh start.", no_args_is_help=True, add_completion=False)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def _lake() -> None:
    """The Iceberg tables: a fresh start."""


@app.command()
def reset(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Delete every row of the lake and begin again from what Kafka still has. Stop the sink first."""
    from k2.lake import reset as work

    settings = work.ResetSettings.load()
    tables = work.doomed(settings)
    sys.stdout.write("".join(f"{table}\n" for table in tables))
    if dry_run:
        sys.stderr.write("nothing was deleted (--dry-run)\n")
        return
    if not yes:
        _ask()
    with telling(lambda: "some tables are empty: 'k2 lake reset' again finishes it"):
        work.reset(settings, tables)
    sys.stderr.write(f"{len(tables)} tables are empty: start the sink\n")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ConfigError("reset deletes rows and cannot ask here: pass --yes, or --dry-run to see what it would do")
    typer.confirm("Delete all of that?", abort=True, err=True)
