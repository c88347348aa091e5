"""Counts of the feeds' events and gap records, kept in memory; pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from k2_shared.feed.coverage.feed_records import EventRecord, GapRecord, GapState, moment
from k2_shared.feed.coverage.gap_log import GapFold

MAX_SYMBOLS = 10_000  # both exchanges have some thousand; this bounds what a stranger's records can take


@dataclass
class SymbolCounts:
    """The counts of one symbol, or of an exchange as a whole; ``ids`` by the state of their gap records."""

    last_event: EventRecord | None = None
    ids: Counter[str] = field(default_factory=Counter)
    gaps: GapFold = field(default_factory=GapFold)

    def gap(self, record: GapRecord) -> None:
        """Count a record's ids; a range that is opened again while it is open is the same gap."""
        self.ids[record.state.value] += sum(last - first + 1 for first, last in self.gaps.take(record))

    def shown(self) -> dict[str, Any]:
        """The counts as ``GET /feeds`` shows them."""
        ids = {state.value: self.ids[state.value] for state in GapState}
        return {"last_event": _event(self.last_event), "gap_ids": {**ids, "open": len(self.gaps.open)}}


def _event(event: EventRecord | None) -> dict[str, str] | None:
    if event is None:
        return None
    return {"kind": event.kind.value, "at": moment(event.at), "service": event.service, "detail": event.detail}


class FeedCounts:
    """Counts of events and gap records since a time in microseconds since the epoch; bounded by symbols."""

    def __init__(self, since: int) -> None:
        self._since = since
        self._events: Counter[tuple[str, str]] = Counter()
        self._symbols: dict[str, SymbolCounts] = {}
        self._unreadable: Counter[str] = Counter()

    def event(self, record: EventRecord) -> None:
        """Count an event and keep it as the last of its symbol."""
        if record.at < self._since:
            return
        self._events[record.exchange, record.kind.value] += 1
        if of := self._of(record):
            of.last_event = record

    def gap(self, record: GapRecord) -> None:
        """Count the ids of a gap."""
        if record.at >= self._since and (of := self._of(record)):
            of.gap(record)

    def unreadable(self, topic: str) -> None:
        """Count a value that is no record."""
        self._unreadable[topic] += 1

    def _of(self, record: EventRecord | GapRecord) -> SymbolCounts | None:
        """The counts of a record's symbol; None once there are ``MAX_SYMBOLS``."""
        name = f"{record.exchange}:{record.symbol}" if record.symbol else record.exchange
        if name not in self._symbols and len(self._symbols) >= MAX_SYMBOLS:
            return None
        return self._symbols.setdefault(name, SymbolCounts())

    def shown(self) -> dict[str, Any]:
        """As ``GET /feeds`` answers: events by exchange and kind; symbols by EXCHANGE:SYMBOL, or EXCHANGE."""
        events: dict[str, dict[str, int]] = {}
        for (exchange, kind), count in sorted(self._events.items()):
            events.setdefault(exchange, {})[kind] = count
        symbols = {name: counts.shown() for name, counts in sorted(self._symbols.items())}
        return {
            "since": moment(self._since),
            "events": events,
            "symbols": symbols,
            "unreadable": dict(self._unreadable),
        }
