"""``k2 maintenance``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from k2.interruption import telling

if TYPE_CHECKING:
    from k2_shared.batch.steps import Told

app = typer.Typer(help="The lake's maintenance on Spark.", no_args_is_help=True, add_completion=False)
Steps = Annotated[
    list[str] | None,
    typer.Option(
        "--step", help="compact, manifests, expire, audit, orphans or retention, again for more; all by default."
    ),
]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="A table, with its namespace where two have the name; all by default."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _maintenance() -> None:
    """The lake's maintenance on Spark."""


@app.command()
def run(step: Steps = None, table: Tables = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Do now what the maintenance agent does every night: compact, expire, audit, delete orphans and old partitions.

    Sinks and offloads go on meanwhile. Exits 4 while another run is at work, or where something could not be done;
    what is done stays done.
    """
    from k2.maintenance.working import Run
    from k2.running import run as run_on_broker
    from k2_shared.batch.settings import MaintenanceSettings
    from k2_shared.batch.steps import planned

    planned(step or (), table or ())
    work = Run(MaintenanceSettings.load(), step or (), table or (), dry_run=dry_run)
    try:
        with telling(lambda: "what is done stays done; 'k2 maintenance run' again does the rest"):
            run_on_broker(work.work())
    finally:
        if work.told:
            _print_json(work.told) if as_json else _print(work.told)


def _print_json(told: "list[Told]") -> None:
    sys.stdout.write(json.dumps([each.to_json() for each in told]) + "\n")


def _print(told: "list[Told]") -> None:
    from k2.maintenance.working import row
    from k2.terminal import Column, print_table

    columns = [Column("step"), Column("table"), Column("seconds", justify="right", drop=1), Column("result", wraps=60)]
    print_table(columns, [row(each) for each in told])
