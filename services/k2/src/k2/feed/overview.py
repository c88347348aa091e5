"""What the feeds were told and what they last said, symbol by symbol; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from k2.feed.target import name
from k2_shared.feed.ledger import EventRecord, SymbolRecord, moment


@dataclass(frozen=True, slots=True)
class Line:
    """One symbol, or a whole exchange: the last word to the feed, and the last event of it."""

    name: str
    word: SymbolRecord | None
    event: EventRecord | None

    def shown(self) -> dict[str, str | int | None]:
        """As it is shown, in the order of the columns; without a word the feed's settings decide."""
        word, event = self.word, self.event
        return {
            "symbol": self.name,
            "captured": None if word is None else ("yes" if word.captured else "no"),
            "told": moment(word.at) if word else None,
            "backfill_from_id": word.backfill_from_id if word else None,
            "resumption": word.resumption.value if word and word.resumption else None,
            "event": event.kind.value if event else None,
            "at": moment(event.at) if event else None,
            "detail": event.detail if event else None,
        }


def overview(words: Iterable[SymbolRecord], events: Iterable[EventRecord]) -> list[Line]:
    """A line for everything that was spoken of, by name."""
    told = {name(word): word for word in words}
    said = {name(event): event for event in events}
    return [Line(each, told.get(each), said.get(each)) for each in sorted(told.keys() | said.keys())]


def table(lines: Iterable[Line]) -> Table:
    """Lines for people."""
    drawn = Table("symbol", "captured", "told", "backfill from", "resumption", "event", "at", "detail", box=None)
    for line in lines:
        drawn.add_row(*("" if value is None else str(value) for value in line.shown().values()))
    return drawn
