"""``k2 schema``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from k2.consent import Yes, ask
from k2.interruption import telling

if TYPE_CHECKING:
    from k2.schema.steps import Step

_PENDING = 1
app = typer.Typer(help="A change of the contracts: what it changes where.", no_args_is_help=True, add_completion=False)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def plan(as_json: AsJson = False) -> None:
    """Show in what ClickHouse, the Iceberg tables and the registry lag behind the contracts. Exits 1 where they do."""
    found = _steps()
    _print_json(found) if as_json else _print_table(found)
    if found:
        raise typer.Exit(_PENDING)


@app.command()
def apply(yes: Yes = False) -> None:
    """Bring ClickHouse, the Iceberg tables and the registry to the contracts, in this order; safe to repeat.

    Columns and schemas are only added. Run it by the new version while the old one runs; then restart the sinks, then
    silver and gold, then the feeds.
    """
    from k2.schema import steps

    found = _steps()
    if not found:
        sys.stderr.write("nothing to do: ClickHouse, tables and registry are as the contracts say\n")
        return
    _print_table(found)
    if not yes:
        ask("Do that?", "apply changes tables and cannot ask here: pass --yes, or run 'k2 schema plan' to see what")
    with telling(lambda: "what was changed stays, and 'k2 schema apply' again does the rest"):
        steps.apply(steps.SchemaSettings.load())
    sys.stderr.write("done: restart the sinks, then silver and gold, then the feeds\n")


def _steps() -> "Sequence[Step]":
    from k2.schema import steps

    return steps.pending(steps.SchemaSettings.load())


def _print_json(found: "Sequence[Step]") -> None:
    sys.stdout.write(json.dumps([asdict(step) for step in found]) + "\n")


def _print_table(found: "Sequence[Step]") -> None:
    from k2.terminal import Column, console, table

    if not found:
        sys.stderr.write("nothing differs: ClickHouse, tables and registry are as the contracts say\n")
        return
    screen = console()
    rows = [(step.where, step.name, step.change) for step in found]
    screen.print(table([Column("where"), Column("what"), Column("is to get")], rows, screen.width))
