"""The settings of the Kraken feed."""

from typing import Annotated

from pydantic import AfterValidator, Field

from k2_shared.feed.venue.settings import FeedSettings, SocketUrls, Symbols, spoken_at


class KrakenSettings(FeedSettings):
    """Kraken's endpoints and the symbols to capture."""

    kraken_ws_url: Annotated[SocketUrls, AfterValidator(spoken_at(("/v2",)))] = Field(
        ("wss://ws.kraken.com/v2",), description="of Kraken alone, comma-separated, the next for when one fails"
    )
    kraken_rest_url: str = Field("https://api.kraken.com", pattern=r"^https?://")
    kraken_symbols: Symbols = Field(("BTC/USD", "ETH/USD"), description="canonical BASE/QUOTE, comma-separated")
