"""Kraken's endpoints."""

from feed_kraken.settings import KrakenSettings
from k2_support.conformance.settings import EndpointConformance


class TestKraken(EndpointConformance):
    """What holds for every venue, by Kraken's URLs."""

    settings, variable = KrakenSettings, "KRAKEN_WS_URL"
    endpoints = ("wss://ws.kraken.com/v2",)
    foreign = ("wss://ws.kraken.com", "wss://ws.kraken.com?x=1", "https://ws.kraken.com")
