"""The records that feeds write, of gaps and events, and those that operators write, of symbols; as JSON."""

import time
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Outgoing
from k2_shared.core.times import iso
from k2_shared.core.trade import Exchange, record_key
from k2_shared.kafka.topics import EVENTS, GAPS, SYMBOLS


class GapState(StrEnum):
    """The fate of a range of ids."""

    OPENED = "opened"
    FILLED = "filled"
    UNFILLABLE = "unfillable"


class Cause(StrEnum):
    """Why ids were missed."""

    RECONNECT = "reconnect"
    ROTATION = "rotation"
    RESTART = "restart"
    SILENT_DROP = "silent_drop"
    REQUEST = "request"  # an operator asked for it


class EventKind(StrEnum):
    """The kind of an event."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    REJECTED = "rejected"  # what an operator asked for is not done
    REFUSED = "refused"  # by the venue; it is asked for again
    LOST = "lost"  # no socket carries the symbol any more
    STALE = "stale"
    ROTATED = "rotated"
    FAILOVER = "failover"
    RESET = "reset"
    RESUMED = "resumed"
    CLOCK_SKEW = "clock_skew"
    CONGESTED = "congested"


class Resumption(StrEnum):
    """What an operator decides after a reset of a venue's ids."""

    ACCEPT = "accept"  # the venue numbers anew: go on from the next id, whatever it is
    CONTINUE = "continue"  # the venue erred: the old numbering goes on


class GapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A range of missing ids, both ends included, and what became of it; times in microseconds since the epoch.

    A range may be settled in pieces; what is open is what was opened less what was filled or unfillable since.
    """

    exchange: Exchange
    symbol: str
    state: GapState
    first_id: int
    last_id: int
    cause: Cause
    opened_at: int
    at: int

    @property
    def count(self) -> int:
        """How many ids it is about."""
        return self.last_id - self.first_id + 1

    @property
    def latency_s(self) -> float:
        """From the opening to this record."""
        return (self.at - self.opened_at) / 1e6


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a feed; without a symbol it is about the venue. ``at`` is in microseconds."""

    exchange: Exchange
    kind: EventKind
    service: str
    at: int
    symbol: str = ""
    detail: str = ""


class SymbolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks of a symbol; the newest record counts, and without any the settings decide."""

    exchange: Exchange
    symbol: str
    captured: bool
    at: int
    backfill_from_id: int | None = None
    resumption: Resumption | None = None


RecordT = TypeVar("RecordT", GapRecord, EventRecord, SymbolRecord)


class _Codec(Generic[RecordT]):
    """JSON to and from one kind of record."""

    def __init__(self, topic: str, kind: type[RecordT]) -> None:
        self._topic = topic
        self._decoder: msgspec.json.Decoder[RecordT] = msgspec.json.Decoder(kind)

    def outgoing(self, record: RecordT) -> Outgoing:
        """The record as it is written."""
        key = record_key(record.exchange, record.symbol) if record.symbol else record.exchange.encode()
        return Outgoing(self._topic, key, msgspec.json.encode(record), record.at // 1_000, ())

    def read(self, value: bytes | None) -> RecordT:
        """Read a record's value.

        Raises:
            InvalidRecord: ``undecodable``.
        """
        try:
            return self._decoder.decode(value or b"")
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # the second: no UTF-8
            raise InvalidRecord("undecodable", f"not a record of {self._topic}: {error}") from None


gaps = _Codec(GAPS, GapRecord)
events = _Codec(EVENTS, EventRecord)
symbols = _Codec(SYMBOLS, SymbolRecord)


def now_us() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1_000


def moment(microseconds: int) -> str:
    """A time since the epoch for people and machines; a number that no calendar holds stays one."""
    return iso(microseconds, "milliseconds")
