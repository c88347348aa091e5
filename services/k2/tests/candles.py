"""Candles to draw."""

from decimal import Decimal

from k2.ohlcv.candle import Candle

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
AT = 1_795_733_820_000_000  # 2026-11-26T22:57Z


def candle(
    number: int,
    prices: tuple[float | str, float | str, float | str, float | str] = (1, 2, 0.5, 1.5),
    volume: float | str = 1,
    missing: int = 0,
    width: int = MINUTE,
    exchange: str = "KRAKEN",
    symbol: str = "BTC/USD",
    is_closed: bool = True,
) -> Candle:
    """The candle of a window by its number; prices are open, high, low and close."""
    start = AT // width * width + number * width
    of = [Decimal(str(price)) for price in prices]
    total = Decimal(str(volume))
    quote_volume = total * of[-1]
    return Candle(exchange, symbol, start, start + width, *of, total, quote_volume, of[-1], 2, is_closed, missing)
