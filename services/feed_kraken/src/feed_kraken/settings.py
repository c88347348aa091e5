"""What the Kraken feed can be told."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from k2_shared.feed.settings import FeedSettings, Symbols, split_symbols


class KrakenSettings(FeedSettings):
    """Kraken's endpoints and the symbols to capture."""

    kraken_ws_url: str = Field("wss://ws.kraken.com/v2", pattern=r"^wss?://")
    kraken_rest_url: str = Field("https://api.kraken.com", pattern=r"^https?://")
    kraken_symbols: Annotated[Symbols, BeforeValidator(split_symbols)] = Field(
        ("BTC/USD", "ETH/USD"), description="canonical BASE/QUOTE, comma-separated"
    )
