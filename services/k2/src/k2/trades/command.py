"""``k2 trades`` from the command line. Data goes to stdout, chatter to stderr."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k2.sql.options import AsCsv, AsJson, Force, LimitMb, LimitResultMb, LimitRows, LimitS, Parquet

if TYPE_CHECKING:
    from k2.sql.warm_reader import WarmReader
    from k2.trades.selection import Selection

_LAST = 20
# What a narrow terminal can do without, the first to go last.
_DROPS = {"exchange": 1, "side": 2, "quote_volume": 3, "trade_id": 4, "symbol": 5}


def trades(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="BASE/QUOTE at every exchange, or KRAKEN:BTC/USD.")],
    count: Annotated[
        int | None, typer.Option("-n", min=1, help=f"So many trades: the last {_LAST}, or from --from on all.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From there on: 15m or 2026-11-26T12:00Z.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before that.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: Parquet = None,
    force: Force = False,
    limit_s: LimitS = None,
    limit_mb: LimitMb = None,
    limit_rows: LimitRows = None,
    limit_result_mb: LimitResultMb = None,
) -> None:
    """Print a symbol's trades from the warm tier (ClickHouse): the last ones, or those of a time, each once."""
    from k2.sql.limits import QueryLimits
    from k2.sql.output import Form, write
    from k2.sql.warm_reader import warm_reader
    from k2.trades.selection import Selection

    form, limits = Form(as_json, as_csv, parquet, _DROPS), QueryLimits(limit_s, limit_mb, limit_rows, limit_result_mb)
    form.check(force)
    wanted = Selection.parse(symbol, count, start, end, datetime.now(UTC))
    with warm_reader(limits) as reader:
        with reader.result(wanted.sql, wanted.parameters, final=0) as result:  # it says itself what is to be merged
            if result.has_rows:
                write(result, form)
                return
        _check_known(reader, wanted, symbol)
        sys.stderr.write("no such trade\n")


def _check_known(reader: "WarmReader", wanted: "Selection", text: str) -> None:
    """Return if gold has trades of the symbol at other times.

    Raises:
        ConfigError: it has none; says which it has that are near.
    """
    from k2.sql.values import text as decoded
    from k2.trades.selection import KNOWN
    from k2_shared.core.errors import ConfigError
    from k2_shared.core.symbol import near

    with reader.result(KNOWN, final=0) as result:  # what is told apart here needs no merge
        pairs = [tuple(map(decoded, pair)) for block in result.blocks for pair in zip(*block, strict=True)]
    if any(exchange in wanted.exchanges and symbol == wanted.symbol for exchange, symbol in pairs):
        return
    meant = near(wanted.symbol, sorted({symbol for _, symbol in pairs}))
    named = [f"{exchange}:{symbol}" for each in meant for exchange, symbol in pairs if symbol == each]
    others = f"near it: {', '.join(named)}" if named else f"it has {len(pairs)} symbols, and none near it"
    raise ConfigError(f"gold has no trade of {text}; {others}")
