"""``k2 sql`` from the command line. Data goes to stdout, chatter to stderr."""

import sys
from typing import Annotated

import typer

from k2.sql.options import AsCsv, AsJson, Force, LimitMb, LimitResultMb, LimitRows, LimitS, Parquet

_STDIN = "-"


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A SELECT, SHOW, DESCRIBE or EXPLAIN; - is stdin.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: Parquet = None,
    force: Force = False,
    limit_s: LimitS = None,
    limit_mb: LimitMb = None,
    limit_rows: LimitRows = None,
    limit_result_mb: LimitResultMb = None,
) -> None:
    """Query the warm tier (ClickHouse), read-only: every row once, decimals exact, times in UTC."""
    from k2.sql.limits import QueryLimits
    from k2.sql.output import Form, write
    from k2.sql.warm_reader import warm_reader

    form, limits = Form(as_json, as_csv, parquet), QueryLimits(limit_s, limit_mb, limit_rows, limit_result_mb)
    form.check(force)
    asked = _asked(query)
    with warm_reader(limits) as reader, reader.result(asked) as result:
        write(result, form)


def _asked(query: str) -> str:
    """The query, or that which stdin has.

    Raises:
        ConfigError: there is none.
    """
    from k2_shared.core.errors import ConfigError

    found = sys.stdin.read() if query == _STDIN else query
    if not found.strip():
        raise ConfigError("there is no query: give one in quotes, or - and one on stdin")
    return found
