"""Orders to the feeds: written to the control topic, answered on the events topic."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.records import by_topic
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import ledger
from k2_shared.feed.coverage.ledger import EventKind, EventRecord, SymbolRecord
from k2_shared.kafka import clients
from k2_shared.kafka.topics import EVENTS, SYMBOLS, Names, administration, check

_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Order:
    """A word for a feed, and the event that says it was done; a rejection is an answer too."""

    record: SymbolRecord
    done: EventKind

    def answered_by(self, event: EventRecord) -> bool:
        """Whether an event is the answer."""
        about = (event.exchange, event.symbol) == (self.record.exchange, self.record.symbol)
        return about and event.kind in (self.done, EventKind.REJECTED)


async def write(settings: RunSettings, order: Order) -> None:
    """Write an order and ask for no answer.

    Raises:
        ConfigError: the control topic does not exist.
        Unavailable: no broker answered.
    """
    names = Names(settings.k2_prefix)
    async with administration(settings) as admin:
        await check(admin, names, [SYMBOLS])
    async with clients.started(clients.producer(settings), settings) as sender:
        await clients.send_all(sender, names, 0, by_topic([ledger.symbols.outgoing(order.record)]))


async def give(settings: RunSettings, order: Order, timeout_s: float) -> EventRecord:
    """Write an order and wait for the feed's answer, a rejection or not; what was said before is none.

    Raises:
        ConfigError: a topic does not exist.
        Unavailable: no answer came in time, or no broker answered.
    """
    names = Names(settings.k2_prefix)
    async with administration(settings) as admin:
        await check(admin, names, [SYMBOLS, EVENTS])
    at = names.partitions(EVENTS)
    async with clients.started(clients.consumer(settings), settings) as reader:
        reader.assign(at)
        await reader.seek_to_end(*at)
        for tp in at:
            await reader.position(tp)  # the end as it is before the order
        await write(settings, order)
        return await _answer(reader, order, timeout_s)


async def _answer(reader: AIOKafkaConsumer, order: Order, timeout_s: float) -> EventRecord:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                for batch in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                    for event in _events(record.value for record in batch):
                        if order.answered_by(event):
                            return event
    except TimeoutError:
        exchange = order.record.exchange
        raise Unavailable(
            f"no feed of {exchange} answered for {order.record.symbol} in {timeout_s:g} s: does "
            f"feed_{exchange.lower()} run? The order stands, and is read when it starts"
        ) from None


def _events(values: Iterable[bytes | None]) -> Iterable[EventRecord]:
    for value in values:
        try:
            yield ledger.events.read(value)
        except InvalidRecord:
            continue  # no answer of a feed; 'k2 feed list' counts what cannot be read
