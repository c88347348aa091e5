"""The composition root of the Kraken feed."""

from typing import NoReturn

from feed_kraken.protocol import KrakenProtocol
from feed_kraken.rest import KrakenRest
from feed_kraken.settings import SERVICE, KrakenSettings
from k2_shared.feed.run.feed import Feed, in_shell
from k2_shared.feed.venue.budget import Allowance
from k2_shared.feed.venue.venue import Venue
from k2_shared.stages.agent import Shell, run

# https://support.kraken.com: about 150 connection attempts in ten minutes, then a ban; about one REST call a second.
_ATTEMPTS = Allowance(120, 600.0)


def venue(settings: KrakenSettings) -> Venue:
    """The venue Kraken, with the endpoints and symbols of the settings."""
    return Venue(
        service=SERVICE,
        exchange="KRAKEN",
        ws_urls=settings.kraken_ws_url,
        rest_url=settings.kraken_rest_url,
        symbols=settings.kraken_symbols,
        rest=KrakenRest(),
        protocol=lambda pairs: KrakenProtocol(),
        attempts=_ATTEMPTS,
        rest_capacity=3.0,
        rest_per_s=1.0,
        silence_s=8.0,  # heartbeats come every second
        message_gap_s=0.0,
    )


def compose(settings: KrakenSettings, shell: Shell) -> Feed:
    """Wire the feed from its settings."""
    return in_shell(shell, settings, venue(settings))


def main() -> NoReturn:
    """Run the Kraken feed."""
    run(SERVICE, KrakenSettings, compose)
