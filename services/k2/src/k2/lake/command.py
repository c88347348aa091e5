"""``k2 lake`` from the command line; heavy parts are imported when used."""

import sys

import typer

from k2.consent import DryRun, Yes, ask
from k2.interruption import telling

app = typer.Typer(help="The Iceberg tables: a fresh start.", no_args_is_help=True, add_completion=False)
_UNASKED = "reset deletes rows and cannot ask here: pass --yes, or --dry-run to see what it would do"


@app.callback()
def _lake() -> None:
    """The Iceberg tables: a fresh start."""


@app.command()
def reset(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Delete every row of the lake that is from Kafka and begin again from what it still has. Stop the sink first."""
    from k2.lake import reset as work

    settings = work.ResetSettings.load()
    tables = work.doomed(settings)
    sys.stdout.write("".join(f"{table}\n" for table in tables))
    if dry_run:
        sys.stderr.write("nothing was deleted (--dry-run)\n")
        return
    if not yes:
        ask("Delete all of that?", _UNASKED)
    with telling(lambda: "some tables are empty: 'k2 lake reset' again finishes it"):
        work.reset(settings, tables)
    sys.stderr.write(f"{len(tables)} tables are empty: start the sink\n")
