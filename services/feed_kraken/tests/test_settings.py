"""Only what the protocol can speak is taken for an endpoint."""

import pytest

from feed_kraken.settings import KrakenSettings
from k2_shared.core.errors import ConfigError


def test_endpoints_of_the_protocol_are_taken() -> None:
    """In their order."""
    urls = ("wss://ws.kraken.com/v2",)
    assert KrakenSettings.load(kraken_ws_url=",".join(urls)).kraken_ws_url == urls


@pytest.mark.parametrize("url", ["wss://ws.kraken.com", "wss://ws.kraken.com?x=1", "https://ws.kraken.com"])
def test_an_endpoint_that_the_protocol_cannot_speak_is_refused(url: str) -> None:
    """By name, with what is allowed, before anything is connected."""
    with pytest.raises(ConfigError, match="KRAKEN_WS_URL"):
        KrakenSettings.load(kraken_ws_url=url)
