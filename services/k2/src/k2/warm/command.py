"""``k2 warm``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k2.cold.offload_command import ATTEMPTS, AsJson
from k2.interruption import telling
from k2.sql.options import End, Start

if TYPE_CHECKING:
    from k2.warm.restoring import TableRestore

app = typer.Typer(help="The warm tier (ClickHouse): rows from cold.", no_args_is_help=True, add_completion=False)
Tables = Annotated[list[str] | None, typer.Option("--table", help="A table of trades, again for more; all by default.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be put back; change nothing.")]


@app.callback()
def _warm() -> None:
    """The warm tier (ClickHouse): rows from cold."""


@app.command()
def restore(
    table: Tables = None, start: Start = None, end: End = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Put rows back that the warm tier has lost and Kafka no longer has, from the cold tables; safe to repeat.

    What Kafka has is warm_sink's to fill: start it first. Rows that stand are left as they are.
    """
    from k2.cold.wanted import HourRange
    from k2.running import run
    from k2.warm.restoring import RestoreSettings, first_offsets, restorable, restored
    from k2_shared.cold.restoring import WarmRestore
    from k2_shared.cold.tables import opened
    from k2_shared.lake.retries import at_table

    now, settings = datetime.now(UTC), RestoreSettings.load()
    hours, tables = HourRange.parse(None, start, end, now), restorable(table or ())
    begins = run(first_offsets(settings, tables))
    with (
        telling(lambda: "the hours that were named are put back; 'k2 warm restore' again does the rest"),
        opened(WarmRestore, settings, tables, lambda _: at_table(ATTEMPTS)) as found,
    ):
        for name, each in found.items():
            each.check(begins[name])
        done = [restored(name, each, hours, begins[name], now, dry_run=dry_run) for name, each in found.items()]
    if as_json:
        sys.stdout.write(json.dumps([each.to_json() for each in done]) + "\n")
    else:
        _print(done)


def _print(done: "list[TableRestore]") -> None:
    from k2.terminal import Column, print_table

    columns = [Column("table"), *(Column(title, justify="right") for title in ("hours", "rows"))]
    print_table(columns, [each.to_row() for each in done])
