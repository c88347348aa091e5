"""``k2 offload``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k2.interruption import telling
from k2.sql.options import End, Start

if TYPE_CHECKING:
    from k2.cold.offloading import TableOffload
    from k2.cold.progress import TableProgress

app = typer.Typer(help="The cold tier (Iceberg): hours of the warm tier.", no_args_is_help=True, add_completion=False)
ATTEMPTS = 20
"""At reading or writing a table."""
Tables = Annotated[list[str] | None, typer.Option("--table", help="A cold table, again for more; all by default.")]
OfHour = Annotated[str | None, typer.Option("--hour", metavar="TIME", help="The hour that a time is in, alone.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written; change nothing.")]
AllowShrink = Annotated[
    bool, typer.Option("--allow-shrink", help="Write hours of which the warm tier lacks rows that cold has.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _offload() -> None:
    """The cold tier (Iceberg): hours of the warm tier."""


@app.command()
def run(
    table: Tables = None,
    hour: OfHour = None,
    start: Start = None,
    end: End = None,
    dry_run: DryRun = False,
    allow_shrink: AllowShrink = False,
    as_json: AsJson = False,
) -> None:
    """Compare both tiers hour by hour, and write what differs to the cold one; safe to repeat, by several at once.

    Open hours and those whose rows may have left the warm tier are passed over. Exits 3 where the warm tier lacks rows
    that the cold tier has: such an hour is not written.
    """
    from k2.cold.offloading import Mode, offloaded
    from k2.cold.wanted import HourRange, wanted
    from k2_shared.cold.offload import ColdOffload
    from k2_shared.cold.tables import opened
    from k2_shared.core.lake_settings import ColdSettings
    from k2_shared.lake.retries import at_table

    now = datetime.now(UTC)
    mode, hours = Mode(dry_run=dry_run, allow_shrink=allow_shrink), HourRange.parse(hour, start, end, now)
    tables = wanted(table or ())
    with (
        telling(lambda: "the hours that were named are written; 'k2 offload run' again does the rest"),
        opened(ColdOffload, ColdSettings.load(), tables, lambda _: at_table(ATTEMPTS)) as offloads,
    ):
        done = [offloaded(name, each, hours, mode, now) for name, each in offloads.items()]
    if as_json:
        sys.stdout.write(json.dumps([each.to_json() for each in done]) + "\n")
    else:
        _print(done)
    _refuse(done)


def _print(done: "list[TableOffload]") -> None:
    from k2.terminal import Column, print_table

    titles = ("written", "rows", "equal", "open", "expiring", "would shrink")
    columns = [Column("table"), *(Column(title, justify="right") for title in titles)]
    print_table(columns, [each.to_row() for each in done])


def _refuse(done: "list[TableOffload]") -> None:
    from k2_shared.core.errors import Halt

    if refused := [f"{each.table} {hour}" for each in done for hour in each.refused]:
        raise Halt(
            f"the warm tier lacks rows that the cold tier has, in {', '.join(refused)}: not written. Fill the warm "
            "tier again from Kafka, or pass --allow-shrink to give those rows up"
        )


@app.command()
def status(table: Tables = None, as_json: AsJson = False) -> None:
    """Say how far each cold table is: up to when it has hours, how many are outstanding, and what was written last.

    Both tiers are compared for it. What the agent alone knows is left out where none answers.
    """
    from k2.cold.progress import agents_page, read
    from k2.cold.wanted import wanted
    from k2_shared.cold.offload import ColdOffload
    from k2_shared.cold.tables import opened
    from k2_shared.core.lake_settings import ColdSettings
    from k2_shared.lake.retries import at_table

    now, tables = datetime.now(UTC), wanted(table or ())
    page = agents_page()
    with (
        telling(lambda: "nothing was changed"),
        opened(ColdOffload, ColdSettings.load(), tables, lambda _: at_table(ATTEMPTS)) as offloads,
    ):
        found = [read(name, each, now, page) for name, each in offloads.items()]
    if as_json:
        sys.stdout.write(json.dumps([each.to_json() for each in found]) + "\n")
        return
    _print_progress(found)
    if page is None:
        sys.stderr.write("k2: no offload agent answers: when it succeeded last is not known\n")


def _print_progress(found: "list[TableProgress]") -> None:
    from k2.terminal import Column, print_table

    columns = [
        Column("table"),
        Column("complete to"),
        Column("outstanding", justify="right"),
        Column("rows", justify="right", drop=2),
        Column("bytes", justify="right", drop=3),
        Column("written", drop=2),
        Column("last success", drop=1),
        Column("took", justify="right", drop=1),
    ]
    print_table(columns, [each.to_row() for each in found])
