"""What the Binance feed can be told."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from k2_shared.feed.settings import FeedSettings, Symbols, split_symbols


class BinanceSettings(FeedSettings):
    """Binance's endpoints and the symbols to capture."""

    binance_ws_url: str = Field("wss://stream.binance.com:9443/stream", pattern=r"^wss?://")
    binance_rest_url: str = Field("https://api.binance.com", pattern=r"^https?://")
    binance_symbols: Annotated[Symbols, BeforeValidator(split_symbols)] = Field(
        ("BTC/USDT", "ETH/USDT"), description="canonical BASE/QUOTE, comma-separated"
    )
