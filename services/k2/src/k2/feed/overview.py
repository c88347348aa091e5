"""What the feeds are asked to capture, what they say that they capture, and what they last said; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from k2.feed.exchange_symbol import name
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, SymbolRecord, moment

_CAPTURED = {
    EventKind.SUBSCRIBED: "yes",
    EventKind.RESUMED: "yes",
    EventKind.RESET: "stopped",
    EventKind.UNSUBSCRIBED: "no",
    EventKind.LOST: "no",
}


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """What is known of one symbol or exchange: the last command, the last event, and the last event with its state.

    A killed feed announces nothing: its last state stands until it starts again.
    """

    name: str
    word: SymbolRecord | None
    event: EventRecord | None
    state: EventRecord | None

    def shown(self) -> dict[str, str | int | None]:
        """As it is shown, in the order of the columns; where nobody asked, the feed's settings decide."""
        word, event = self.word, self.event
        return {
            "symbol": self.name,
            "asked": None if word is None else ("yes" if word.captured else "no"),
            "captured": self._captured,
            "told": moment(word.at) if word else None,
            "backfill_from_id": word.backfill_from_id if word else None,
            "resumption": word.resumption.value if word and word.resumption else None,
            "event": event.kind.value if event else None,
            "at": moment(event.at) if event else None,
            "detail": event.detail if event else None,
        }

    @property
    def _captured(self) -> str | None:
        """What the feed says; ``no`` where it has said something, and never that it captures the symbol."""
        if self.state is not None:
            return _CAPTURED[self.state.kind]
        return "no" if self.event and self.event.symbol else None


def overview(words: Iterable[SymbolRecord], events: Iterable[EventRecord]) -> list[SymbolStatus]:
    """The status of every symbol and exchange that a command or event names, sorted by name."""
    told = {name(word): word for word in words}
    said, states = dict[str, EventRecord](), dict[str, EventRecord]()
    for event in events:
        said[name(event)] = event
        if event.symbol and event.kind in _CAPTURED:
            states[name(event)] = event
    every = sorted(told.keys() | said.keys())
    return [SymbolStatus(each, told.get(each), said.get(each), states.get(each)) for each in every]
