"""Where a trade was on its way from the frame to the row. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k2.feed.exchange_symbol import ExchangeSymbol
from k2_shared.core.errors import ConfigError
from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.trade import Exchange, record_key
from k2_shared.kafka.topics import EXCHANGES

STAGES = ("raw", "bronze", "dlq", "silver", "gold", "table")
_LONG_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class MessageId:
    """The identity of a trade: EXCHANGE:BASE/QUOTE:ID."""

    exchange: Exchange
    symbol: str
    trade_id: int

    @classmethod
    def parse(cls, text: str) -> "MessageId":
        """Read a message id.

        Raises:
            ConfigError: it is none; says what one looks like.
        """
        symbol, _, number = text.rpartition(":")
        if (of := ExchangeSymbol.find(symbol)) and number.isdecimal() and int(number) < _LONG_LIMIT:
            return cls(of.exchange, of.symbol, int(number))
        raise ConfigError(
            f"{text!r} is no message id: it is EXCHANGE:BASE/QUOTE:ID, e.g. KRAKEN:BTC/USD:123; exchanges are "
            f"{', '.join(EXCHANGES)}"
        )

    @property
    def key(self) -> bytes:
        """The key of its records."""
        return record_key(self.exchange, self.symbol)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}:{self.trade_id}"


@dataclass(frozen=True, slots=True)
class Hop:
    """One place where a trade stands.

    ``at_us`` is when it could be read there, in µs since the epoch, where that is known; ``origin`` says which receipt
    of it this is: the first socket's, another's, or one by REST.
    """

    stage: str
    where: str
    at_us: int | None = None
    origin: Mapping[str, Any] | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refused_by(self) -> str | None:
        """The stage that refused it, of a dead letter."""
        letter: Mapping[str, Any] = self.said.get("letter", {})
        return letter.get(f"{PREFIX}stage")

    def shown(self, received_us: int | None) -> dict[str, Any]:
        """For JSON; the age is from the receipt of the first frame on, in seconds."""
        age = None if self.at_us is None or received_us is None else round((self.at_us - received_us) / 1e6, 6)
        return {
            "stage": self.stage,
            "where": self.where,
            "at_us": self.at_us,
            "age_s": age,
            **({"origin": dict(self.origin)} if self.origin else {}),
            **self.said,
        }


@dataclass(frozen=True, slots=True)
class Lineage:
    """Everything that is known of one trade; ``unknown`` says what could not be asked."""

    message_id: MessageId
    trade: Mapping[str, Any] | None
    received_us: int | None
    hops: Sequence[Hop]
    unknown: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """What became of it, in words."""
        count = {stage: sum(hop.stage == stage for hop in self.hops) for stage in STAGES}
        if count["gold"] > 1:
            return f"it stands {count['gold']} times in gold: that is a defect, keep everything"
        if count["gold"]:
            dropped = count["silver"] - 1 - sum(hop.refused_by == "gold" for hop in self.hops)
            return (
                "it is in gold once"
                + _told(dropped, "1 repeat of it was dropped", "repeats of it were dropped")
                + _told(count["dlq"], "1 delivery of it was refused", "deliveries of it were refused")
            )
        if count["dlq"]:
            return "it was refused: k2 dlq show says why, k2 dlq replay sends it again"
        if count["bronze"]:
            return "it is on its way: k2 lag says who is behind"
        return "nothing of it stands in Kafka: k2 gaps says whether a feed missed it"

    @property
    def is_settled(self) -> bool:
        """Whether it is in gold, exactly once."""
        return sum(hop.stage == "gold" for hop in self.hops) == 1

    def shown(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "message_id": str(self.message_id),
            "verdict": self.verdict,
            "trade": self.trade,
            "hops": [hop.shown(self.received_us) for hop in in_order(self.hops)],
            "unknown": list(self.unknown),
        }


def in_order(hops: Iterable[Hop]) -> list[Hop]:
    """From the frame to the row; within a stage by where they stand."""
    return sorted(hops, key=lambda hop: (STAGES.index(hop.stage), hop.where))


def _told(count: int, one: str, several: str) -> str:
    return "" if count < 1 else f", and {one if count == 1 else f'{count} {several}'}"
