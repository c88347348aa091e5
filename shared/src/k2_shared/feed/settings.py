"""What every feed can be told."""

from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic_settings import NoDecode

from k2_shared.settings import AgentSettings

CanonicalSymbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]+/[A-Z0-9]+$")]
Symbols = Annotated[tuple[CanonicalSymbol, ...], NoDecode, Field(min_length=1, max_length=1024)]


class FeedSettings(AgentSettings):
    """Limits of the connection to a venue."""

    feed_ack_timeout_s: float = Field(10.0, gt=0, le=120, description="from the subscription to its confirmation")
    feed_ping_interval_s: float = Field(5.0, gt=0, le=60)
    feed_backoff_base_s: float = Field(0.5, gt=0, le=60)
    feed_backoff_cap_s: float = Field(60.0, gt=0, le=600)
    feed_connect_attempts: int = Field(20, ge=1, description="in a row, before the process gives up")
    feed_max_frame_bytes: int = Field(900_000, ge=1_000, le=1_000_000, description="fits one raw record")
    feed_max_in_flight: int = Field(20_000, ge=1, description="records that Kafka has not acknowledged")


def split_symbols(value: object) -> object:
    """Read ``BTC/USD,ETH/USD``."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
