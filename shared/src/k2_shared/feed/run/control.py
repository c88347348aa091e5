"""Symbols without a restart: follows the operators' topic, asks the venue, and answers by an event."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from prometheus_client import Counter

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.symbol import unfit
from k2_shared.core.telemetry import logger
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.ledger import Cause, EventKind, Resumption, SymbolRecord
from k2_shared.feed.run.capture import Capture
from k2_shared.feed.transport.connection import Connection
from k2_shared.feed.transport.slot import LOST
from k2_shared.kafka import clients
from k2_shared.kafka.topics import SYMBOLS, Names

IGNORED = "symbol_record_ignored"
_STAGE = "control"
Change = Callable[[Connection, Sequence[str]], Awaitable[None]]
_POLL_MS = 500


@dataclass
class Control:
    """What operators said of one venue's symbols."""

    settings: KafkaSettings
    names: Names
    exchange: Exchange
    errors: Counter
    said: dict[str, SymbolRecord] = field(default_factory=dict)
    position: int = 0

    @property
    def at(self) -> TopicPartition:
        """Where it is said."""
        return TopicPartition(self.names.topic(SYMBOLS), 0)

    async def read(self) -> None:
        """Read all that was said so far."""
        reader = clients.consumer(self.settings)
        async with clients.started(reader, self.settings):
            self.position = int((await reader.end_offsets([self.at]))[self.at])
        for value in (await clients.latest(self.settings, self.at, self.position)).values():
            self._understood(value)

    def wanted(self, configured: tuple[str, ...]) -> list[str]:
        """The symbols to capture: those of the settings, and the operators' newest word."""
        said = {symbol: record.captured for symbol, record in self.said.items()}
        return [symbol for symbol in dict.fromkeys([*configured, *said]) if said.get(symbol, True)]

    def left(self) -> set[str]:
        """The symbols that operators removed."""
        return {symbol for symbol, record in self.said.items() if not record.captured}

    async def follow(self, heard: Callable[[SymbolRecord], Awaitable[None]]) -> None:
        """Pass on what is said from now on, for ever."""
        reader = clients.consumer(self.settings)
        async with clients.started(reader, self.settings):
            reader.assign([self.at])
            reader.seek(self.at, self.position)
            while True:
                for record in (await reader.getmany(self.at, timeout_ms=_POLL_MS)).get(self.at, ()):
                    self.position = record.offset + 1
                    said = self._understood(record.value)
                    if said:
                        await heard(said)

    def _understood(self, value: bytes | None) -> SymbolRecord | None:
        """Keep a record of this venue; what cannot be read, as of a newer version, is logged, counted and left."""
        try:
            record = ledger.symbols.read(value)
        except InvalidRecord as error:
            logger().warning(IGNORED, detail=error.detail)
            self.errors.labels(_STAGE, error.reason).inc()
            return None
        if record.exchange != self.exchange:
            return None
        if why := unfit(record.symbol):
            logger().warning(IGNORED, detail=why)
            return None
        self.said[record.symbol] = record
        return record


@dataclass
class Director:
    """Carries out on a running capture what is said.

    ``resting`` are symbols that were captured before and cannot be now: what Kafka has of them stays, and
    ``take_over`` goes on from there.
    """

    capture: Capture
    resting: set[str]
    take_over: Callable[[str], None]
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def hear(self, record: SymbolRecord) -> None:
        """Take a symbol up, leave it, or go on after a reset; the answer is an event."""
        async with self._one:
            symbol, captured = record.symbol, record.symbol in self.capture.names
            if record.captured:
                await self._capture(symbol, record, captured)
            elif captured or symbol in self.resting:
                await self._remove(symbol)
            else:
                self._tell(EventKind.UNSUBSCRIBED, symbol, "it was not captured")

    async def retry(self, every_s: float) -> None:
        """Ask for ever whether the venue trades again what rests, and take that up."""
        while True:
            await asyncio.sleep(every_s)
            if self.resting:
                with suppress(Unavailable):
                    await self._wake()

    async def _wake(self) -> None:
        pairs = await self.capture.history.pairs()
        async with self._one:
            for symbol in sorted(self.resting):
                if not pairs.refusal(symbol):
                    await self._take_up(symbol, pairs.name(symbol))

    async def _capture(self, symbol: str, record: SymbolRecord, captured: bool) -> None:
        if not captured and not await self._add(symbol):
            return
        series = self.capture.book.series[symbol]
        if record.backfill_from_id:
            series.backfill_from = record.backfill_from_id
        if record.resumption:
            await self.resume(symbol, record)
        elif captured:
            self._tell(EventKind.SUBSCRIBED, symbol, "captured already")

    async def resume(self, symbol: str, record: SymbolRecord) -> None:
        """End the stop of a symbol whose ids were reset, if the word is newer than the reset."""
        capture, series = self.capture, self.capture.book.series[symbol]
        if not 0 < series.coverage.stopped_at < record.at:
            self._tell(EventKind.REJECTED, symbol, "its ids are in order: there is nothing to resume")
            return
        if record.resumption is Resumption.ACCEPT:
            capture.close_ledger(symbol)
            await self._begin(symbol, _following(series.coverage))
        else:
            series.coverage.stopped_at = 0
        capture.tell(EventKind.RESUMED, str(record.resumption), symbol)

    async def _add(self, symbol: str) -> bool:
        try:
            pairs = await self.capture.history.pairs()
        except Unavailable as error:
            why = str(error)
        else:
            why = pairs.refusal(symbol)
        if why:
            self._tell(EventKind.REJECTED, symbol, why)
            return False
        await self._take_up(symbol, pairs.name(symbol))
        return True

    async def _take_up(self, symbol: str, name: str) -> None:
        """Capture from now on; what rests goes on where it stands."""
        if symbol in self.resting:
            self.resting.discard(symbol)
            self.take_over(symbol)
        else:
            await self._begin(symbol, Coverage(self.capture.store.limits, began_at=ledger.now_us()))
            self.capture.trial.add(symbol)
        self.capture.names[symbol] = name
        await self._on_each(Connection.subscribe, symbol)

    async def _begin(self, symbol: str, coverage: Coverage) -> None:
        """Be responsible from now on; that stands in Kafka before any trade does."""
        capture = self.capture
        stamp = await capture.store.end(symbol)
        capture.publisher.put(capture.store.checkpoint(symbol, coverage, stamp))
        await capture.publisher.flush()
        capture.book.add(symbol, coverage)

    async def _remove(self, symbol: str) -> None:
        if symbol in self.resting:
            self.resting.discard(symbol)
            self.take_over(symbol)
            self.capture.forget(symbol)
        else:
            self.capture.forget(symbol)
            await self._on_each(Connection.unsubscribe, symbol)
        self._tell(EventKind.UNSUBSCRIBED, symbol)

    async def _on_each(self, change: Change, symbol: str) -> None:
        """Change every connection; one that cannot be told ends, and the next one knows."""
        for connection in list(self.capture.connections):
            try:
                await change(connection, [symbol])
            except LOST as error:
                connection.give_up(f"{change.__name__} of {symbol}: {error}")

    def _tell(self, kind: EventKind, symbol: str, detail: str = "") -> None:
        self.capture.tell(kind, detail, symbol)


def _following(ended: Coverage) -> Coverage:
    """A new numbering, from the id on that showed it: what was quarantined or not heard of it is missing."""
    coverage = Coverage(ended.limits, high_us=ended.reset_us, began_at=ledger.now_us(), since_us=ended.reset_us)
    coverage.begin(ended.reset_to)
    coverage.expect(Cause.REQUEST)
    return coverage
