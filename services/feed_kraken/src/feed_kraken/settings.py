"""The settings of the Kraken feed."""

from typing import Annotated

from pydantic import AfterValidator, Field

from k2_shared.feed.venue.settings import FeedSettings, SocketUrls, Symbols, spoken_at

SERVICE = "feed_kraken"


class KrakenSettings(FeedSettings):
    """Kraken's endpoints and the symbols to capture."""

    kraken_ws_url: Annotated[SocketUrls, AfterValidator(spoken_at(("/v2",)))] = Field(
        ("wss://ws.kraken.com/v2",), description="WebSocket v2 of Kraken alone; the next takes over when one fails"
    )
    kraken_rest_url: str = Field(
        "https://api.kraken.com", pattern=r"^https?://", description="list of pairs, missing trades"
    )
    kraken_symbols: Symbols = Field(
        ("BTC/USD", "ETH/USD"),
        description="BASE/QUOTE, tokenized stocks too, as AAPLx/USD; k2 feed changes them without a restart",
    )
