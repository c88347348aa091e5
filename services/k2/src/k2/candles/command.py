"""``k2 candles``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k2.consent import DryRun, Yes, ask
from k2.interruption import telling
from k2.sql.options import End, Start

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from k2.candles.repair import Unit
    from k2.candles.wanted import Wanted

app = typer.Typer(help="Candles of the warm tier (ClickHouse).", no_args_is_help=True, add_completion=False)
_TELL_S = 1.0
WaitS = Annotated[float, typer.Option(min=0, max=86_400, help="So many seconds at most for all candles to be made.")]
OfSymbol = Annotated[
    str | None, typer.Option(metavar="SYMBOL", help="BASE/QUOTE at every exchange, or KRAKEN:BTC/USD.")
]


@app.callback()
def _candles() -> None:
    """Candles of the warm tier (ClickHouse)."""


@app.command()
def rebuild(
    symbol: OfSymbol = None,
    start: Start = None,
    end: End = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait_s: WaitS = 600.0,
) -> None:
    """Make candles again: those of a symbol or of whole days of UTC, or delete all and have warm_sink fold gold again.

    Those of a symbol or of days are compared with the trades in gold_trades, and those that differ are replaced;
    warm_sink may run or not. Without an option every candle is deleted, and warm_sink folds gold's topic again from its
    first record.
    """
    from k2.candles.wanted import Wanted
    from k2_shared.core.settings import ClickHouseSettings, PrefixSettings
    from k2_shared.kafka.topics import Names
    from k2_shared.warm.working import work

    some = Wanted.parse(symbol, start, end, datetime.now(UTC)) if symbol or start or end else None

    def on_database(client: "Client") -> None:
        if some:
            _repair(client, some, dry_run=dry_run)
        else:
            _rebuild(client, dry_run=dry_run, yes=yes, wait_s=wait_s)

    work(ClickHouseSettings.load(), Names(PrefixSettings.load().k2_prefix), on_database)


def _repair(client: "Client", wanted: "Wanted", *, dry_run: bool) -> None:
    from k2.candles.repair import check, repair, since, units
    from k2_shared.core.errors import ConfigError

    some = wanted.within(since(client, datetime.now(UTC).date()))
    every = units(client, some)
    if not every:
        raise ConfigError(f"neither trades nor candles of {some} are in the warm tier: 'k2 trades' shows its symbols")
    work = check if dry_run else repair
    with telling(lambda: "the days that were named before are done: run it again for the rest"):
        wrong = sum(work(client, unit) for unit in _told(every))
    end = " and were not touched (--dry-run)" if dry_run else ", and were made again" if wrong else ""
    sys.stderr.write(f"{wrong:,} candles were wrong in {len(every):,} days of symbols{end}\n")


def _told(every: Sequence["Unit"]) -> Iterator["Unit"]:
    """The units one by one, named as they come, once a second."""
    said = time.monotonic() - _TELL_S
    for number, unit in enumerate(every, 1):
        if time.monotonic() - said >= _TELL_S:
            said = time.monotonic()
            sys.stderr.write(f"{number:,} of {len(every):,}: {unit}\n")
        yield unit


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
