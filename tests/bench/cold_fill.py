"""Both tiers of a benchmark's own: a closed day of trades in the warm one, and empty cold tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tests.bench.candles_history import fold
from tests.bench.market import RUN, Market
from tests.bench.warm_place import WarmPlace, warm_place
from tests.bench.warm_reads import FROM_NUMBERS, OF_NUMBER, insert

from k2_shared.cold.tables import cold_tables
from k2_support.lake_tables import lake_tables

SILVER, CANDLES = "silver_trades", "candles"
MARKET = Market(symbols=200)
HOURS = 24
CYCLE = MARKET.symbols * RUN
"""So many trades in a row are some of every symbol."""
LEAST = HOURS * CYCLE
"""Of fewer trades an hour would lack symbols."""
_SHARE = 10  # one trade in so many has a frame and a record of bronze
_RECEIVED_HOURS = 20  # of frames: all are closed, and none expires soon
_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000
_TIME = "fromUnixTimestamp64Micro({begin_us:Int64} + {step_us:Int64} * toInt64(number), 'UTC')"
_SIDE = "if(number % 3 = 0, 'SELL', 'BUY')"
_KAFKA = "concat('filled.', venue), place % 12, number"
_FRAME = (
    """concat('{"channel":"trade","type":"update","data":[{"symbol":"', pair, '","side":"buy","price":', """
    """toString(paid), ',"qty":', toString(bought), ',"ord_type":"limit","trade_id":', toString(id), """
    """',"timestamp":"', toString(at), '"}]}')"""
)
_PAYLOAD = "concat(unhex('0000000001'), venue, pair, toString(id), toString(at), toString(paid), toString(bought))"
_ROWS = {
    SILVER: (
        "venue, pair, toString(id), paid, bought, CAST(toDecimal128(paid, 8) * bought AS Decimal(38, 16)), at, 'USDT', "
        f"{_SIDE}, id, received, received, map('ord_type', 'limit'), {_KAFKA}"
    ),
    "raw_trades": f"venue, pair, {_FRAME}, at, at, {_KAFKA}",
    "bronze_trades": (
        f"venue, pair, concat(venue, ':', pair), {_PAYLOAD}, toString(id), at, paid, bought, {_SIDE}, id, at, at, "
        f"{_KAFKA}"
    ),
}


@asynccontextmanager
async def cold_place() -> AsyncIterator[WarmPlace]:
    """Tables of both tiers for the length of the block."""
    async with warm_place() as place:
        with lake_tables(place.bench.names, *cold_tables().values()):
            yield place


def day() -> datetime:
    """The midnight with which the trades' hours begin: they ended days ago."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)


def fill(place: WarmPlace, rows: int, begin: datetime) -> None:
    """Let the server make so many trades of a day, received now, their candles, and a tenth as many frames.

    Frames and bronze's records came in the course of twenty hours, of which the last ended two hours ago or earlier.
    """
    received = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2 + _RECEIVED_HOURS)
    _fill(place, SILVER, rows, begin, _DAY_US)
    for table in ("raw_trades", "bronze_trades"):
        _fill(place, table, rows // _SHARE, received, _RECEIVED_HOURS * _HOUR_US)
    fold(place, SILVER)


def _fill(place: WarmPlace, table: str, rows: int, begin: datetime, width_us: int) -> None:
    made = f"INSERT INTO {table} {OF_NUMBER}, {_TIME} AS at SELECT {_ROWS[table]} {FROM_NUMBERS}"
    begin_us = int(begin.timestamp()) * 1_000_000
    insert(place, made, rows, MARKET.symbols, begin_us=begin_us, step_us=width_us // rows)
