"""``k2 ohlcv`` from the command line. Data goes to stdout, chatter to stderr."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from k2.sql.options import (
    AsCsv,
    AsJson,
    End,
    Force,
    LimitMb,
    LimitResultMb,
    LimitRows,
    LimitS,
    Parquet,
    Start,
    Symbol,
)

_LAST = 20


def ohlcv(
    symbol: Symbol,
    timeframe: Annotated[str, typer.Argument(metavar="TIMEFRAME", help="1m, 5m, 15m, 30m, 1h or 1d.")],
    count: Annotated[
        int | None,
        typer.Option("-n", min=1, help=f"So many of each exchange: the last {_LAST}, or from --from on all."),
    ] = None,
    start: Start = None,
    end: End = None,
    as_chart: Annotated[bool, typer.Option("--chart", help="Draw them, as many as fit.")] = False,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as they come and change, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: Parquet = None,
    force: Force = False,
    limit_s: LimitS = None,
    limit_mb: LimitMb = None,
    limit_rows: LimitRows = None,
    limit_result_mb: LimitResultMb = None,
) -> None:
    """Print or draw a symbol's candles: exact, and each says whether it is complete.

    They are asked of the warm tier (ClickHouse), and of the cold one (Iceberg) where they are older.
    """
    from k2.ohlcv.selection import Selection, timeframe_of
    from k2.ohlcv.showing import Asked, show
    from k2.sql.limits import QueryLimits
    from k2.sql.output import Form
    from k2.sql.symbol_times import SymbolTimes
    from k2.sql.tiers import asks_cold
    from k2.sql.warm_reader import warm_reader
    from k2_shared.core import contracts

    form, limits = Form(as_json, as_csv, parquet), QueryLimits(limit_s, limit_mb, limit_rows, limit_result_mb)
    form.check(force)
    now = datetime.now(UTC)
    of = SymbolTimes.parse(symbol, start, end, now)
    wanted = Selection(of, timeframe_of(timeframe), count)
    Asked(wanted, form, as_chart, following).check()
    kept_hours = contracts.cold_tables()[wanted.view].warm_retention_hours
    with warm_reader(limits) as reader:
        is_old = asks_cold(reader, of, kept_hours, wanted.enough, now)
        show(reader, Asked(replace(wanted, in_both_tiers=is_old), form, as_chart, following), symbol)
