"""The composition root of the Kraken feed."""

from typing import NoReturn

from feed_kraken.protocol import KrakenProtocol, read_pairs
from feed_kraken.settings import KrakenSettings
from k2_shared.agent import Shell, run
from k2_shared.feed.session import Feed, Venue
from k2_shared.topics import Names

SERVICE = "feed_kraken"


def compose(settings: KrakenSettings, shell: Shell) -> Feed:
    """Wire the feed from its settings."""
    venue = Venue(
        service=SERVICE,
        exchange="KRAKEN",
        ws_url=settings.kraken_ws_url,
        pairs_url=f"{settings.kraken_rest_url}/0/public/AssetPairs",
        symbols=settings.kraken_symbols,
        read_pairs=read_pairs,
        protocol=lambda pairs: KrakenProtocol(),
    )
    feed = Feed(settings, Names(settings.k2_prefix), venue, shell.metrics)
    shell.health.not_ready = feed.not_ready
    return feed


def main() -> NoReturn:
    """Run the Kraken feed."""
    run(SERVICE, KrakenSettings, compose)
