"""What a long run leaves in Kafka, read on as it grows: only ranges of ids are kept."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from tests.feeds.accounts import Audit, auditing
from tests.feeds.venue_accounts import Account, VenueAccounts, unaccounted

from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.records import RecordBatch
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, contract_under, decode
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind
from k2_shared.feed.coverage.intervals import Interval, IntervalSet
from k2_shared.kafka.topics import BRONZE, DLQ, EVENTS, EXCHANGES, GAPS, GOLD, Names

Ids = Mapping[Exchange, Mapping[str, Sequence[Interval]]]
"""Ranges of ids by venue and symbol."""


class Records:
    """The accounts of both venues and of gold, what silver and gold refused, and the feeds' events. No I/O."""

    def __init__(self, schema_id: int) -> None:
        self.feeds = {exchange: VenueAccounts(exchange, schema_id) for exchange in EXCHANGES}
        self.gold = {exchange: VenueAccounts(exchange, schema_id) for exchange in EXCHANGES}
        self.refused: dict[tuple[str, str], IntervalSet] = {}
        self.events: Counter[tuple[Exchange, EventKind, str]] = Counter()
        self._schema_id = schema_id

    def takes(self) -> dict[str, Callable[[RecordBatch], None]]:
        """Who takes the records of which topic."""
        feeds, gold = self.feeds.values(), self.gold.values()
        return {
            **{BRONZE.format(exchange=each.lower()): kept.trades for each, kept in self.feeds.items()},
            DLQ: lambda batch: _each([self._refusals, *(kept.letters for kept in feeds)], batch),
            GAPS: lambda batch: _each([kept.gaps for kept in feeds], batch),
            GOLD: lambda batch: _each([kept.trades for kept in gold], batch),
            EVENTS: self._tell,
        }

    def missing(self, assigned: Ids) -> dict[str, list[Interval]]:
        """What is unaccounted for, by venue and symbol as one name."""
        found = {venue: unaccounted(of, self.feeds[venue].accounts) for venue, of in assigned.items()}
        return {f"{venue}:{symbol}": intervals for venue, of in found.items() for symbol, intervals in of.items()}

    def not_in_gold(self) -> int:
        """How many published ids are neither in gold nor refused on the way there."""
        return sum(
            len(_left(account.published, [gold.published, self.refused.get((venue, symbol), IntervalSet())]))
            for venue, symbol, account, gold in self._pairs()
        )

    @property
    def gold_repeated(self) -> int:
        """Records of gold beyond the first of their id."""
        return sum(gold.repeated for _, _, _, gold in self._pairs())

    def told(self, kind: EventKind, venue: Exchange | None = None, symbol: str | None = None) -> int:
        """How often the feeds told of a kind."""
        return sum(
            count
            for (where, what, about), count in self.events.items()
            if what is kind and venue in (None, where) and symbol in (None, about)
        )

    def _pairs(self) -> Iterable[tuple[Exchange, str, Account, Account]]:
        for venue, kept in self.feeds.items():
            for symbol, account in kept.accounts.items():
                yield venue, symbol, account, self.gold[venue].accounts.get(symbol, Account())

    def _refusals(self, batch: RecordBatch) -> None:
        """What silver and gold refuse is published, and does not come to gold."""
        for letter in batch:
            if dict(letter.headers).get(f"{PREFIX}stage") in (b"silver", b"gold"):
                trade = decode(letter.value, contract_under(self._schema_id))
                intervals = self.refused.setdefault((trade["exchange"], trade["symbol"]), IntervalSet())
                intervals.add(int(trade["trade_id"]), int(trade["trade_id"]))

    def _tell(self, batch: RecordBatch) -> None:
        for record in batch:
            event = feed_records.events.read(record.value)
            self.events[event.exchange, event.kind, event.symbol] += 1


def _each(takes: Iterable[Callable[[RecordBatch], None]], batch: RecordBatch) -> None:
    for take in takes:
        take(batch)


def _left(of: IntervalSet, known: Iterable[IntervalSet]) -> IntervalSet:
    """A set without others."""
    rest = IntervalSet(of)
    for intervals in known:
        for interval in intervals:
            rest.remove(*interval)
    return rest


def overlap(one: Iterable[Interval], other: IntervalSet) -> IntervalSet:
    """What two sets share."""
    return IntervalSet(part for interval in one for part in other.within(*interval))


@asynccontextmanager
async def watching(
    settings: RunSettings, names: Names, records: Records, every_s: float, also: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Read on for the length of a block, and do something else as often; a failure of either ends the block."""
    async with auditing(settings, names, records.takes()) as audit, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_on(audit, every_s, also))
        yield
        reading.cancel()


async def _read_on(audit: Audit, every_s: float, also: Callable[[], Awaitable[None]]) -> None:
    while True:
        await audit.read_on()
        await also()
        await asyncio.sleep(every_s)
