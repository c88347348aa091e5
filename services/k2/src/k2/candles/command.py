"""``k2 candles``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from k2.consent import DryRun, Yes, ask
from k2.interruption import telling

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

app = typer.Typer(help="Candles of the warm tier (ClickHouse).", no_args_is_help=True, add_completion=False)
WaitS = Annotated[float, typer.Option(min=0, max=86_400, help="So many seconds at most for the candles to be made.")]


@app.callback()
def _candles() -> None:
    """Candles of the warm tier (ClickHouse)."""


@app.command()
def rebuild(dry_run: DryRun = False, yes: Yes = False, wait_s: WaitS = 600.0) -> None:
    """Delete every candle and have warm_sink fold gold's topic again, from its first record; it may run meanwhile."""
    from k2_shared.core.settings import ClickHouseSettings, PrefixSettings
    from k2_shared.kafka.topics import Names
    from k2_shared.warm.working import work

    def on_database(client: "Client") -> None:
        _rebuild(client, dry_run=dry_run, yes=yes, wait_s=wait_s)

    work(ClickHouseSettings.load(), Names(PrefixSettings.load().k2_prefix), on_database)


def _rebuild(client: "Client", *, dry_run: bool, yes: bool, wait_s: float) -> None:
    from k2.candles.rebuild import count, empty, follow

    sys.stderr.write(f"{count(client):,} candles are deleted, and made again from gold\n")
    if dry_run:
        sys.stderr.write("nothing was deleted (--dry-run)\n")
        return
    if not yes:
        ask("Delete them?", "rebuild deletes candles and cannot ask here: pass --yes, or --dry-run to see how many")
    with telling(lambda: "warm_sink makes the candles again when it runs; 'k2 ohlcv' shows those that are made"):
        follow(client, empty(client), wait_s, lambda progress: typer.echo(progress, err=True))
    sys.stderr.write(f"{count(client):,} candles are made\n")
