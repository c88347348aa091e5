"""``k2 sink`` from the command line. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from k2_shared.core.errors import ConfigError

if TYPE_CHECKING:
    from k2.sink.reading import SinkReader, TableFill
    from k2.sink.resolution import Trust

app = typer.Typer(
    help="The Iceberg sink: how far its tables are filled, and how one that halted goes on.",
    no_args_is_help=True,
    add_completion=False,
)

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="E.g. gold_crypto_trades.")]
AnyTable = Annotated[str | None, typer.Argument(metavar="[TABLE]", help="With its partitions; else all tables.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, partitions included.")]
Offsets = Annotated[
    str | None,
    typer.Option(metavar="keep|drop", help="Offsets of another table, cluster or topic: the same records, or not."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
_HALTED = 1


@app.command()
def status(table: AnyTable = None, as_json: Json = False) -> None:
    """Show how far each table is filled, by itself and by its group in Kafka. Exits 1 where a sink would halt."""
    from k2.sink.view import print_partitions, print_tables

    found = _reader().fills([_known(table)] if table else _tables())
    if as_json:
        sys.stdout.write(json.dumps([_row(each) for each in found]) + "\n")
    else:
        print_tables(found)
        if table:
            print_partitions(found[0])
    for each in found:
        if each.halt:
            sys.stderr.write(f"{each.name} halts: {each.halt}\n")
    if any(each.halt for each in found):
        raise typer.Exit(_HALTED)


@app.command()
def resolve(table: TableArgument, offsets: Offsets = None, dry_run: DryRun = False) -> None:
    """Have a table whose sink halted go on, in one commit to it. Stop the sink first, and say --dry-run first."""
    if offsets not in (None, "keep", "drop"):
        raise ConfigError(f"--offsets is keep or drop, not {offsets!r}")
    found = _reader().resolve(_known(table), cast("Trust | None", offsets), dry_run=dry_run)
    if found is None:
        sys.stderr.write(f"{table} needs nothing: its sink would begin\n")
        return
    sys.stdout.write("".join(f"{step}\n" for step in found.steps))
    sys.stderr.write("nothing was changed (--dry-run)\n" if dry_run else f"{table} is resolved: start the sink\n")


def _reader() -> "SinkReader":
    from k2.sink.reading import SinkCommandSettings, SinkReader

    return SinkReader(SinkCommandSettings.load())


def _tables() -> Sequence[str]:
    from k2_shared.core import contracts

    return list(contracts.tables())


def _known(table: str) -> str:
    if table not in _tables():
        raise ConfigError(f"there is no table {table!r}: it is one of {', '.join(_tables())}")
    return table


def _row(of: "TableFill") -> dict[str, object]:
    return {**asdict(of), "behind": of.behind}
