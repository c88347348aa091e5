"""Binance's endpoints."""

from feed_binance.settings import BinanceSettings
from k2_support.conformance.settings import EndpointConformance


class TestBinance(EndpointConformance):
    """What holds for every venue, by Binance's URLs."""

    settings, variable = BinanceSettings, "BINANCE_WS_URL"
    endpoints = ("wss://stream.binance.com:443/ws?timeUnit=MICROSECOND", "wss://data-stream.binance.vision/stream")
    foreign = (
        "wss://stream.binance.com/ws/btcusdt@trade",
        "wss://stream.binance.com/ws/btcusdt@trade?x=1",
        "https://stream.binance.com/ws/btcusdt@trade",
    )
