"""``k2 validate-ohlcv``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.candles.command import OfSymbol
from k2.interruption import telling
from k2.sql.options import End, Start

if TYPE_CHECKING:
    from k2.validation.report import Report

_DIFFERS = 1
_REPORT = Path(".k2/validate-ohlcv.json")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReportFile = Annotated[
    Path,
    typer.Option("--report", metavar="FILE", dir_okay=False, help="Write the report there, as JSON, anew each time."),
]


def validate_ohlcv(
    symbol: OfSymbol = None,
    start: Start = None,
    end: End = None,
    report: ReportFile = _REPORT,
    as_json: AsJson = False,
) -> None:
    """Recompute all candles from the lake's trades by Spark, and compare ClickHouse's with them, to the last digit.

    Of windows that have ended, up to where both have gold; of a day that a time is in, all is meant. Exits 1 where a
    candle differs, is on one side only, or is impossible.
    """
    from k2.candles.wanted import Wanted
    from k2.validation.validating import Validation, ValidationSettings

    now = datetime.now(UTC)
    work = Validation(ValidationSettings.load(), Wanted.parse(symbol, start, end, now), now)
    with telling(lambda: "nothing was found out; 'k2 validate-ohlcv' again compares all"):
        found = work.validate(lambda line: typer.echo(line, err=True))
    _print_json(found) if as_json else _print(found)
    _write(found, report)
    typer.echo(f"the report is in {report}", err=True)
    if not found.is_equal:
        raise typer.Exit(_DIFFERS)


def _write(found: "Report", file: Path) -> None:
    """Write the report, whole or not at all; the folder of state is made."""
    from k2_shared.core.errors import ConfigError

    part = file.with_name(f"{file.name}.part")
    try:
        if file == _REPORT:
            _REPORT.parent.mkdir(exist_ok=True)
        part.write_text(json.dumps(found.to_json(), indent=2) + "\n")
        part.replace(file)
    except OSError as error:
        raise ConfigError(f"--report {file} cannot be written: {error}") from None


def _print_json(found: "Report") -> None:
    sys.stdout.write(json.dumps(found.to_json()) + "\n")


def _print(found: "Report") -> None:
    from k2.terminal import Column, console, print_table, say
    from k2.validation.report import row_of

    titles = ("v1 rows", "v2 rows", "OHLC apart", "within 1e-8", "volume apart", "left out")
    numbers = [Column(title, justify="right") for title in titles]
    print_table([Column("timeframe"), *numbers, Column("verdict")], [row_of(row) for row in found.rows])
    screen = console()
    for line in found.lines():
        say(screen, line)
