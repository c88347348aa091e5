"""Rows of one hour in the warm tier, with extreme values in every column, made by ClickHouse itself."""

from datetime import UTC, datetime, timedelta

from k2_support.warm_tables import WarmTables

_BY_RECEIPT = ("raw_trades", "bronze_trades")
_LAST_OF_FEBRUARY = datetime(2026, 2, 28, 23, tzinfo=UTC)
_PAIR = "['KRAKEN', 'BINANCE'][number % 2 + 1], ['BTC/USD', '币/USDT', ''][number % 3 + 1]"
_TIME = "fromUnixTimestamp64Micro({begin_us} + if(number = 1, 3599999999, number * 31), 'UTC')"
_NOW = "now64(6, 'UTC'), now64(3, 'UTC')"
_BYTES = r"['', 'N', unhex('FFFE00'), '\'|\\', toString(number)][number % 5 + 1]"
_PRICE = (
    "[9999999999.99999999::Decimal(18, 8), -9999999999.99999999::Decimal(18, 8), 0::Decimal(18, 8), "
    "0.00000001::Decimal(18, 8), CAST(number, 'Decimal(18, 8)')][number % {of} + 1]"
)
_FIVE, _FOUR = _PRICE.replace("{of}", "5"), _PRICE.replace("{of}", "4")
_SIDE = r"CAST([NULL, 'BUY', 'SELL'][number % 3 + 1], 'Nullable(Enum8(\'BUY\' = 1, \'SELL\' = 2))')"
_MAP = r"[map(), map('b', '1', 'a', 'N'), map('a', '\'),(', '币', '')][number % 3 + 1]"
_SEQUENCE = "[9223372036854775807, 0, NULL, toInt64(number), -1][number % 5 + 1]"
_QUOTE_VOLUME = "['9999999999999999999999.9999999999999999', '-1', '0.0000000000000001'][number % 3 + 1]"
_KAFKA = "'topic', toInt32(number % 12), toInt64(number)"
_ROWS = {
    "raw_trades": f"{_PAIR}, {_BYTES}, {_TIME}, now64(3, 'UTC'), {_KAFKA}",
    "bronze_trades": (
        f"{_PAIR}, 'key', {_BYTES}, [NULL, '', 'N'][number % 3 + 1], if(number % 7 = 2, NULL, {_TIME}), "
        f"if(number % 11 = 3, NULL, {_FIVE}), if(number % 13 = 4, NULL, {_FOUR}), {_SIDE}, "
        f"{_SEQUENCE}, {_TIME}, now64(3, 'UTC'), {_KAFKA}"
    ),
    "silver_trades": (
        f"{_PAIR}, toString(number), {_FIVE}, {_FOUR}, {_QUOTE_VOLUME}, {_TIME}, 'USD', "
        f"['BUY', 'SELL'][number % 2 + 1], {_SEQUENCE}, {_NOW}, {_MAP}, {_KAFKA}"
    ),
    "candles": (
        "'1m', 'KRAKEN', toString(number), "
        "fromUnixTimestamp64Micro({begin_us} + number % 60 * 60000000, 'UTC') AS start, "
        f"{_FOUR}, {_FOUR}, {_FOUR}, {_FOUR}, '999999999999999999999999999999.99999999', {_QUOTE_VOLUME}, number + 1, "
        "start, 1, start, 2, 1, 2, 0, number, now64(3, 'UTC')"
    ),
}


def fill(tables: WarmTables, table: str, count: int) -> datetime:
    """Give a table so many rows of one hour, received now, and frames in it; say when it begins."""
    recently = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    begin = recently if table in _BY_RECEIPT else _LAST_OF_FEBRUARY
    rows = _ROWS[table].replace("{begin_us}", f"{int(begin.timestamp())}000000")
    tables.command(f"INSERT INTO {table} SELECT {rows} FROM numbers({count})")  # noqa: S608  # its own
    return begin
