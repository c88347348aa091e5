"""The composition root of the Binance feed."""

from typing import NoReturn

from feed_binance.protocol import BinanceProtocol, read_pairs
from feed_binance.settings import BinanceSettings
from k2_shared.agent import Shell, run
from k2_shared.feed.session import Feed, Venue
from k2_shared.topics import Names

SERVICE = "feed_binance"


def compose(settings: BinanceSettings, shell: Shell) -> Feed:
    """Wire the feed from its settings."""
    venue = Venue(
        service=SERVICE,
        exchange="BINANCE",
        ws_url=settings.binance_ws_url,
        pairs_url=f"{settings.binance_rest_url}/api/v3/exchangeInfo",
        symbols=settings.binance_symbols,
        read_pairs=read_pairs,
        protocol=BinanceProtocol,
    )
    feed = Feed(settings, Names(settings.k2_prefix), venue, shell.metrics)
    shell.health.not_ready = feed.not_ready
    return feed


def main() -> NoReturn:
    """Run the Binance feed."""
    run(SERVICE, BinanceSettings, compose)
