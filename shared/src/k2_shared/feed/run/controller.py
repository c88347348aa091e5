"""Adds, removes and resumes symbols of a running feed, as operators ask; the answer is an event."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from k2_shared.core.errors import Unavailable
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.feed_records import Cause, EventKind, Resumption, SymbolRecord
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.transport.supervisor import LOST
from k2_shared.feed.venue.listings import Pairs

Change = Callable[[Connection, Sequence[str]], Awaitable[None]]


@dataclass
class SymbolController:
    """Carries out what operators ask of a run's symbols, one record after another.

    ``pairs`` asks the venue what it trades and may raise Unavailable; ``take_over`` goes on with a suspended symbol
    where Kafka has it.
    """

    symbols: CapturedSymbols
    connector: Connector
    pairs: Callable[[], Awaitable[Pairs]]
    take_over: Callable[[str], None]
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def hear(self, record: SymbolRecord) -> None:
        """Capture a symbol, leave it, or resume it after a reset, as a record asks."""
        async with self._one:
            symbol, captured = record.symbol, record.symbol in self.symbols.names
            if record.captured:
                await self._capture(symbol, record, captured)
            elif captured or symbol in self.symbols.suspended:
                await self._remove(symbol)
            else:
                self._tell(EventKind.UNSUBSCRIBED, symbol, "it was not captured")

    async def catch_up(self, said: Mapping[str, SymbolRecord]) -> None:
        """Resume the stopped symbols of which an operator has decided while no feed ran."""
        for symbol, record in said.items():
            tracked = self.symbols.tracker.symbols.get(symbol)
            if tracked and record.resumption and 0 < tracked.coverage.stopped_at < record.at:
                await self._resume(symbol, record)

    async def retry_suspended(self, every_s: float) -> None:
        """Ask the venue regularly whether it trades suspended symbols again, and capture those that it does."""
        while True:
            await asyncio.sleep(every_s)
            if self.symbols.suspended:
                with suppress(Unavailable):
                    await self._retry()

    async def _retry(self) -> None:
        pairs = await self.pairs()
        async with self._one:
            for symbol in sorted(self.symbols.suspended):
                if not pairs.refusal(symbol):
                    await self._begin(symbol, pairs.name(symbol))

    async def _capture(self, symbol: str, record: SymbolRecord, captured: bool) -> None:
        if not captured and not await self._add(symbol):
            return
        tracked = self.symbols.tracker.symbols[symbol]
        if record.backfill_from_id:
            tracked.backfill_from = record.backfill_from_id
        if record.resumption:
            await self._resume(symbol, record)
        elif captured:
            self._tell(EventKind.SUBSCRIBED, symbol, "captured already")

    async def _resume(self, symbol: str, record: SymbolRecord) -> None:
        """Go on with a symbol whose ids were reset, if the record is newer than the reset."""
        coverage = self.symbols.tracker.symbols[symbol].coverage
        if not 0 < coverage.stopped_at < record.at:
            self._tell(EventKind.REJECTED, symbol, "its ids are in order: there is nothing to resume")
            return
        if record.resumption is Resumption.ACCEPT:
            self.symbols.close_gaps(symbol)
            await self.symbols.begin(symbol, _following(coverage))
        else:
            coverage.stopped_at = 0
        self._tell(EventKind.RESUMED, symbol, str(record.resumption))

    async def _add(self, symbol: str) -> bool:
        try:
            pairs = await self.pairs()
        except Unavailable as error:
            why = str(error)
        else:
            why = pairs.refusal(symbol)
        if why:
            self._tell(EventKind.REJECTED, symbol, why)
            return False
        await self._begin(symbol, pairs.name(symbol))
        return True

    async def _begin(self, symbol: str, name: str) -> None:
        """Capture a symbol from now on, or a suspended one from where it stands."""
        if symbol in self.symbols.suspended:
            self.symbols.suspended.discard(symbol)
            self.take_over(symbol)
        else:
            await self.symbols.begin(symbol, Coverage(self.symbols.store.limits, began_at=feed_records.now_us()))
            self.symbols.on_trial.add(symbol)
        self.symbols.names[symbol] = name
        await self._on_each(Connection.subscribe, symbol)

    async def _remove(self, symbol: str) -> None:
        if symbol in self.symbols.suspended:
            self.symbols.suspended.discard(symbol)
            self.take_over(symbol)
            self.symbols.forget(symbol)
        else:
            self.symbols.forget(symbol)
            await self._on_each(Connection.unsubscribe, symbol)
        self._tell(EventKind.UNSUBSCRIBED, symbol)

    async def _on_each(self, change: Change, symbol: str) -> None:
        """Change every connection; one that cannot be told is given up, and its successor knows."""
        for connection in list(self.connector.connections):
            try:
                await change(connection, [symbol])
            except LOST as error:
                connection.give_up(f"{change.__name__} of {symbol}: {error}")

    def _tell(self, kind: EventKind, symbol: str, detail: str = "") -> None:
        self.symbols.events.tell(kind, detail, symbol)


def _following(ended: Coverage) -> Coverage:
    """The coverage of a new numbering, from the id on that showed it: what was quarantined of it is missing."""
    coverage = Coverage(ended.limits, high_us=ended.reset_us, began_at=feed_records.now_us(), since_us=ended.reset_us)
    coverage.begin(ended.reset_to)
    coverage.expect(Cause.REQUEST)
    return coverage
