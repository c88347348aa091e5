"""A venue as a feed sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from k2_shared.core.trade import Exchange
from k2_shared.feed.venue.budget import Allowance
from k2_shared.feed.venue.protocol import VenueProtocol
from k2_shared.feed.venue.rest import VenueRest


@dataclass(frozen=True)
class Venue:
    """One venue, its endpoints and its limits."""

    service: str
    exchange: Exchange
    ws_urls: tuple[str, ...]
    rest_url: str
    symbols: tuple[str, ...]
    rest: VenueRest
    protocol: Callable[[Mapping[str, str]], VenueProtocol]
    attempts: Allowance
    rest_capacity: float
    rest_per_s: float
    silence_s: float | None  # the venue never says nothing for so long
    message_gap_s: float  # between two messages of ours on one socket
