"""The composition root of the Binance feed."""

from typing import NoReturn

from feed_binance.protocol import BinanceProtocol
from feed_binance.rest import BinanceRest
from feed_binance.settings import SERVICE, BinanceSettings
from k2_shared.feed.run.feed import Feed, in_shell
from k2_shared.feed.venue.budget import Allowance
from k2_shared.feed.venue.venue import Venue
from k2_shared.stages.agent import Shell, run

# Binance's limits: 300 connection attempts in five minutes, 5 messages a second, a connection's life of 24 h, and
# 6,000 of REST weight a minute, of which half is for others.
_ATTEMPTS = Allowance(240, 300.0)


def venue(settings: BinanceSettings) -> Venue:
    """The venue Binance, with the endpoints and symbols of the settings."""
    return Venue(
        service=SERVICE,
        exchange="BINANCE",
        ws_urls=settings.binance_ws_url,
        rest_url=settings.binance_rest_url,
        symbols=settings.binance_symbols,
        rest=BinanceRest(),
        protocol=BinanceProtocol,
        attempts=_ATTEMPTS,
        rest_capacity=1_000.0,
        rest_per_s=50.0,
        silence_s=None,
        message_gap_s=0.25,
    )


def compose(settings: BinanceSettings, shell: Shell) -> Feed:
    """Wire the feed from its settings."""
    return in_shell(shell, settings, venue(settings))


def main() -> NoReturn:
    """Run the Binance feed."""
    run(SERVICE, BinanceSettings, compose)
