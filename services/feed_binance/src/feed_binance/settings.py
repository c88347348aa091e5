"""The settings of the Binance feed."""

from typing import Annotated

from pydantic import AfterValidator, Field

from k2_shared.feed.venue.settings import FeedSettings, SocketUrls, Symbols, spoken_at

SERVICE = "feed_binance"


class BinanceSettings(FeedSettings):
    """Binance's endpoints and the symbols to capture."""

    binance_ws_url: Annotated[SocketUrls, AfterValidator(spoken_at(("/stream", "/ws"), ("timeUnit",)))] = Field(
        ("wss://stream.binance.com:9443/stream", "wss://data-stream.binance.vision/stream"),
        description="combined streams of Binance spot alone; the next takes over when one fails",
    )
    feed_rotate_after_s: float = Field(
        23 * 3_600.0,
        gt=0,
        lt=86_400,
        description="a socket's age, before another takes its place; Binance ends it at 24 h",
    )
    binance_rest_url: str = Field(
        "https://api.binance.com", pattern=r"^https?://", description="list of pairs, missing trades"
    )
    binance_symbols: Symbols = Field(
        ("BTC/USDT", "ETH/USDT"), description="BASE/QUOTE; k2 feed changes them without a restart"
    )
