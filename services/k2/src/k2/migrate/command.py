"""``k2 migrate``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from k2_shared.warm.migrations import Migration, Standing

T = TypeVar("T")
_DIFFERS = 1
app = typer.Typer(
    help="Tables of the warm tier (ClickHouse), by numbered migrations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def plan(as_json: AsJson = False) -> None:
    """Print the statements that 'k2 migrate apply' would run; nothing is written."""
    pending = _standing().pending
    sys.stdout.write(_json(pending) if as_json else "\n".join(each.sql for each in pending))
    sys.stderr.write(f"{len(pending)} migrations are pending\n")


@app.command()
def apply() -> None:
    """Apply what is pending; safe to repeat, and beside another. Exits 3 where the tables are not what it made."""
    from k2_shared.warm import migrations

    done = _work(migrations.apply)
    sys.stderr.write(f"applied {', '.join(map(str, done)) or 'nothing: every migration stands'}\n")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which migrations the database has, and where it is not what they made. Exits 1 on either."""
    found = _standing()
    _print_json(found) if as_json else _print_table(found)
    if found.pending or found.drift:
        raise typer.Exit(_DIFFERS)


def _standing() -> "Standing":
    from k2_shared.warm import migrations

    return _work(migrations.standing)


def _work(on_database: "Callable[[Client], T]") -> "T":
    from k2_shared.core.settings import ClickHouseSettings, PrefixSettings
    from k2_shared.kafka.topics import Names
    from k2_shared.warm.working import work

    return work(ClickHouseSettings.load(), Names(PrefixSettings.load().k2_prefix), on_database)


def _print_json(found: "Standing") -> None:
    listed = {"applied": [*map(str, found.applied)], "pending": [*map(str, found.pending)], "drift": [*found.drift]}
    sys.stdout.write(json.dumps(listed) + "\n")


def _print_table(found: "Standing") -> None:
    from k2.terminal import Column, console, table

    rows = [(str(each), "applied", each.checksum) for each in found.applied]
    rows += [(str(each), "pending", each.checksum) for each in found.pending]
    screen = console()
    screen.print(table([Column("migration"), Column("state"), Column("checksum", drop=1)], rows, screen.width))
    for line in found.drift:
        sys.stderr.write(f"differs: {line}\n")


def _json(pending: "Sequence[Migration]") -> str:
    return json.dumps([{"migration": str(each), "statements": each.statements} for each in pending]) + "\n"
