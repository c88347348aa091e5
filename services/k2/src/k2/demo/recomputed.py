"""The candles that the recordings make, by another engine: DuckDB, which shares nothing with the fold."""

from decimal import Decimal
from pathlib import Path

import duckdb

from k2.demo.oracle import recordings
from k2_support.warm_tables import Row

_LINES = """read_csv(?, header = false, auto_detect = false, delim = chr(1), quote = '', escape = '',
    columns = {'line': 'VARCHAR'})"""
# Of each exchange's lines: ids, times in µs, and prices and quantities as they are written. What JSON has as a number
# would pass through a double.
_READ = {
    "KRAKEN": rf"""
        SELECT CAST(line->>'$[6]' AS BIGINT) AS id, line->>'$[0]' AS price, line->>'$[1]' AS quantity,
            CAST(regexp_extract(line, '^\[[^,]+,[^,]+,([^,]+)', 1) AS DECIMAL(20, 9)) AS seconds,
            CAST(floor(seconds * 1000000) AS BIGINT) AS micros
        FROM {_LINES}
    """,  # noqa: S608  # constants
    "BINANCE": f"""
        SELECT CAST(said->>'t' AS BIGINT) AS id, said->>'p' AS price, said->>'q' AS quantity,
            CAST(said->>'T' AS BIGINT) AS stamp, if(stamp < 100000000000000, stamp * 1000, stamp) AS micros
        FROM (SELECT CAST(line[strpos(line, ' ') + 1:] AS JSON)->'data' AS said FROM {_LINES})
    """,  # noqa: S608
}
_CREATE = """
CREATE TABLE recorded (exchange VARCHAR, symbol VARCHAR, id BIGINT, micros BIGINT, price VARCHAR, quantity VARCHAR)
"""
# What decimal(18,8) does not hold is refused on its way to gold.
_FITS = "try_cast({0} AS DECIMAL(18, 8)) = try_cast({0} AS DECIMAL(38, 18))"
_UNSCALED = "CAST(CAST({} AS DECIMAL(38, 8)) * 100000000 AS HUGEINT)"
_HALF = 10**18  # a sum of products may have more digits than a HUGEINT: it is made in two halves
_MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "1d": 1_440}
_FOLD = f"""
CREATE TABLE folded AS
WITH traded AS (
    SELECT DISTINCT exchange, symbol, id, micros, CAST(price AS DECIMAL(18, 8)) AS price,
        CAST(quantity AS DECIMAL(18, 8)) AS quantity
    FROM recorded WHERE {_FITS.format("price")} AND {_FITS.format("quantity")}
), counted AS (
    SELECT *, {_UNSCALED.format("price")} * {_UNSCALED.format("quantity")} AS product FROM traded
)
SELECT minutes, exchange, symbol, epoch_us(time_bucket(to_minutes(minutes), make_timestamp(micros))) AS window_start,
    epoch_us(make_timestamp(window_start) + to_minutes(minutes)) AS window_end, min(micros) AS open_time,
    first(price ORDER BY micros, id) AS open, max(price) AS high, min(price) AS low,
    last(price ORDER BY micros, id) AS close, max(micros) AS close_time,
    sum({_UNSCALED.format("quantity")}) AS volume, sum(product // {_HALF}) AS quote_high,
    sum(product % {_HALF}) AS quote_low, count(*) AS trade_count, min(id) AS lowest, max(id) AS highest
FROM counted, (SELECT unnest(?::BIGINT[]) AS minutes) GROUP BY ALL
"""  # noqa: S608  # constants
# Ids between those of gold that are not in gold, and how many of them may belong to a candle: they lie above all of
# the windows before and below all of those after it; where times and ids disagree, as k2_shared.candles.completeness.
_CANDLES = f"""
WITH kept AS (
    SELECT exchange, symbol, id FROM recorded WHERE {_FITS.format("price")} AND {_FITS.format("quantity")}
    UNION SELECT exchange, symbol, unnest([min(id) - 1, max(id) + 1]) FROM recorded GROUP BY ALL
), holes AS (
    SELECT exchange, symbol, id + 1 AS first_id, lead(id) OVER upwards - 1 AS last_id
    FROM kept WINDOW upwards AS (PARTITION BY exchange, symbol ORDER BY id) QUALIFY last_id >= first_id
), bounded AS (
    SELECT *, coalesce(max(highest) OVER (frame ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1) AS before,
        coalesce(min(lowest) OVER (frame ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), {2**63 - 1}) AS following
    FROM folded WINDOW frame AS (PARTITION BY exchange, symbol, minutes ORDER BY window_start)
)
SELECT bounded.* EXCLUDE (lowest, highest, before, following),
    CAST(coalesce(sum(last_id - first_id + 1), 0) AS BIGINT) AS missing_trades
FROM bounded LEFT JOIN holes ON holes.exchange = bounded.exchange AND holes.symbol = bounded.symbol
    AND last_id > if(before < lowest, before, lowest - 2)
    AND first_id < if(following > highest, following, highest + 2)
GROUP BY ALL ORDER BY exchange, symbol, window_start
"""  # noqa: S608  # constants


def candles(folder: Path) -> dict[str, list[Row]]:
    """The candles of a folder of recordings, by timeframe: exchanges, symbols and windows in order. Blocks.

    What V3 does not hold is left out, and is among the missing trades of the candles around it.
    """
    with duckdb.connect() as connection:
        connection.execute(_CREATE)
        for each in recordings(folder):
            reading = f"SELECT ?, ?, id, micros, price, quantity FROM ({_READ[each.exchange]})"  # noqa: S608  # constants
            connection.execute(f"INSERT INTO recorded {reading}", [each.exchange, each.symbol, str(each.path)])
        connection.execute(_FOLD, [list(_MINUTES.values())])
        found = connection.execute(_CANDLES)
        names = [name for name, *_ in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {name: [_candle(row) for row in rows if row["minutes"] == minutes] for name, minutes in _MINUTES.items()}


def _candle(row: Row) -> Row:
    """A row with the columns and the values of a candle's view."""
    volume, quote_volume = row["volume"], row["quote_high"] * _HALF + row["quote_low"]
    own = {name: value for name, value in row.items() if name not in ("minutes", "quote_high", "quote_low")}
    return {
        **own,
        "volume": _decimal(volume, 8),
        "quote_volume": _decimal(quote_volume, 16),
        "vwap": _decimal(quote_volume * 10**8 // volume, 16),
        "is_complete": not row["missing_trades"],
    }


def _decimal(unscaled: int, places: int) -> Decimal:
    return Decimal(f"{unscaled}E-{places}")  # of text it has every digit
