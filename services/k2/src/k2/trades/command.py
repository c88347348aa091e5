"""``k2 trades`` from the command line. Data goes to stdout, chatter to stderr."""

import sys
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
# What a narrow terminal can do without, the first to go last.
_DROPS = {"exchange": 1, "side": 2, "quote_volume": 3, "trade_id": 4, "symbol": 5}


def trades(
    symbol: Symbol,
    count: Annotated[
        int | None, typer.Option("-n", min=1, help=f"So many trades: the last {_LAST}, or from --from on all.")
    ] = None,
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: Parquet = None,
    force: Force = False,
    limit_s: LimitS = None,
    limit_mb: LimitMb = None,
    limit_rows: LimitRows = None,
    limit_result_mb: LimitResultMb = None,
) -> None:
    """Print a symbol's trades, each once: the last ones, or those of a time.

    They are asked of the warm tier (ClickHouse), and of the cold one (Iceberg) where they are older.
    """
    from k2.sql.limits import QueryLimits
    from k2.sql.output import Form, write
    from k2.sql.symbol_times import SymbolTimes
    from k2.sql.tiers import asks_cold
    from k2.sql.warm_reader import warm_reader
    from k2.trades.selection import KNOWN, Selection
    from k2_shared.core import contracts

    form, limits = Form(as_json, as_csv, parquet, _DROPS), QueryLimits(limit_s, limit_mb, limit_rows, limit_result_mb)
    form.check(force)
    now = datetime.now(UTC)
    of = SymbolTimes.parse(symbol, start, end, now)
    wanted, kept_hours = Selection(of, count), contracts.cold_tables()["silver_trades"].warm_retention_hours
    with warm_reader(limits) as reader:
        is_old = asks_cold(reader, of, kept_hours, wanted.enough, now)
        sql = wanted.in_both_tiers if is_old else wanted.sql
        with reader.result(sql, of.parameters, final=0) as result:  # it says what is to be merged
            if result.has_rows:
                write(result, form)
                return
        of.check_known(reader, KNOWN, symbol, "trade")
        sys.stderr.write("no such trade\n")
