"""Only what the protocol can speak is taken for an endpoint."""

import pytest

from feed_binance.settings import BinanceSettings
from k2_shared.core.errors import ConfigError


def test_endpoints_of_the_protocol_are_taken() -> None:
    """In their order."""
    urls = ("wss://stream.binance.com:443/ws?timeUnit=MICROSECOND", "wss://data-stream.binance.vision/stream")
    assert BinanceSettings.load(binance_ws_url=",".join(urls)).binance_ws_url == urls


@pytest.mark.parametrize(
    "url",
    [
        "wss://stream.binance.com/ws/btcusdt@trade",
        "wss://stream.binance.com/ws/btcusdt@trade?x=1",
        "https://stream.binance.com/ws/btcusdt@trade",
    ],
)
def test_an_endpoint_that_the_protocol_cannot_speak_is_refused(url: str) -> None:
    """By name, with what is allowed, before anything is connected."""
    with pytest.raises(ConfigError, match="BINANCE_WS_URL"):
        BinanceSettings.load(binance_ws_url=url)
