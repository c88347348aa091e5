"""The settings that every feed has."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

from k2_shared.core.settings import AgentSettings
from k2_shared.core.symbol import checked

CanonicalSymbol = Annotated[str, AfterValidator(checked)]
_OTHER_VENUES = ("binance.us",)


def split_list(value: object) -> object:
    """Read ``BTC/USD,ETH/USD``."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _same_venue(url: str) -> str:
    host = urlsplit(url).hostname or ""
    for other in _OTHER_VENUES:
        if host == other or host.endswith(f".{other}"):
            raise ValueError(f"{host} is another venue with trades of its own: it can be no fallback")
    return url


def spoken_at(paths: Sequence[str], query: Sequence[str] = ()) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """A validator: every URL must have one of these paths, and no query parameter but these."""

    def check(urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.path not in paths:
                raise ValueError(
                    f"{url} has the path {parts.path!r}, and our protocol is spoken at {' or '.join(paths)}"
                )
            if unknown := sorted(parse_qs(parts.query, keep_blank_values=True).keys() - set(query)):
                raise ValueError(f"{url} has the parameter {unknown[0]!r}: it may have {' or '.join(query) or 'none'}")
        return urls

    return check


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError(f"{number} is not allowed: it is a power of two, as 1024")
    return number


SocketUrl = Annotated[str, StringConstraints(pattern=r"^wss?://"), AfterValidator(_same_venue)]
Symbols = Annotated[
    tuple[CanonicalSymbol, ...], NoDecode, BeforeValidator(split_list), Field(min_length=1, max_length=1024)
]
SocketUrls = Annotated[tuple[SocketUrl, ...], NoDecode, BeforeValidator(split_list), Field(min_length=1, max_length=8)]


class FeedSettings(AgentSettings):
    """Limits of the connections to a venue, and of what is done about their faults."""

    pages: ClassVar[Mapping[str, str]] = {**AgentSettings.pages, "/feeds": "events and gaps since the start"}

    k2_instance: str = Field(
        "0", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="this process's own name among the feed's"
    )
    feed_sockets: int = Field(2, ge=1, le=8, description="connections that carry every symbol")
    feed_transport: Literal["websockets", "picows"] = Field("websockets", description="library of the sockets")
    feed_ack_timeout_s: float = Field(10.0, gt=0, le=120, description="from the subscription to its confirmation")
    feed_ping_interval_s: float = Field(5.0, gt=0, le=60, description="from one ping of a socket to the next")
    feed_ping_timeout_s: float = Field(5.0, gt=0, le=60, description="with the interval: when a dead peer is found")
    feed_backoff_base_s: float = Field(0.5, gt=0, le=60, description="longest first delay of a reconnect; full jitter")
    feed_backoff_cap_s: float = Field(60.0, gt=0, le=600, description="longest delay of any reconnect; full jitter")
    feed_connect_attempts: int = Field(
        20, ge=1, le=100_000, description="failures in a row, before the process gives up with exit 4"
    )
    feed_failover_after: int = Field(
        3, ge=1, le=1_000, description="failures of one endpoint before the next takes its place"
    )
    feed_max_frame_bytes: int = Field(
        900_000, ge=1_000, le=1_000_000, description="largest frame that is taken: it fits one raw record"
    )
    feed_max_in_flight: int = Field(
        20_000, ge=1, le=1_000_000, description="most records that Kafka has not acknowledged"
    )
    feed_stall_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="without room for a record before a socket is let go, or an acknowledgement before /readyz says so",
    )
    feed_copies_window: Annotated[int, AfterValidator(_power_of_two)] = Field(
        1_024,
        ge=1,
        le=65_536,
        description="a power of two: newest ids of a symbol in which copies from several sockets are recognised; "
        "over all symbols at most 65536",
    )
    feed_rest_timeout_s: float = Field(10.0, gt=0, le=120, description="for one answer by REST")
    feed_stale_after_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="a symbol's silence before REST is asked whether it is quiet, and between looks for halted pairs",
    )
    feed_rotate_after_s: float = Field(
        4 * 3_600.0, gt=0, le=604_800, description="a socket's age, before another takes its place"
    )
    feed_rotate_deadline_s: float = Field(
        60.0, gt=0, le=3_600, description="for the new socket to deliver every symbol first"
    )
    feed_gap_grace_s: float = Field(1.0, ge=0, le=60, description="for late trades, before a gap is told and filled")
    feed_gap_patience_s: float = Field(
        300.0,
        gt=0,
        le=2_592_000,
        description="of answers by REST without an id before it is unfillable; REST's outages and the time before a "
        "restart do not count",
    )
    feed_checkpoint_s: float = Field(5.0, gt=0, le=300, description="from one checkpoint of the coverage to the next")
    feed_clock_skew_s: float = Field(
        2.0, gt=0, le=86_400, description="lead of the venue's clock over ours that is made known"
    )
    feed_memory_limit_mb: int = Field(
        400,
        ge=32,
        le=1_048_576,
        description="resident megabytes beyond which it drains and ends with exit 4; below what the container may use",
    )
