"""Symbol commands to the running feeds: sent to the control topic, answered on the events topic."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.records import by_topic
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, SymbolRecord
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import EVENTS, SYMBOLS, Names, administration, check

_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class SymbolCommand:
    """What a feed is to do with a symbol, and the event by which it says that it did; a rejection answers it too."""

    record: SymbolRecord
    done: EventKind

    def answered_by(self, event: EventRecord) -> bool:
        """Whether an event is the feed's answer to this command."""
        about = (event.exchange, event.symbol) == (self.record.exchange, self.record.symbol)
        return about and event.kind in (self.done, EventKind.REJECTED)


async def send(settings: RunSettings, command: SymbolCommand) -> None:
    """Send a command and wait for no answer; returns when Kafka has acknowledged it.

    Raises:
        ConfigError: the control topic does not exist.
        Unavailable: no broker answered.
    """
    names = Names(settings.k2_prefix)
    async with administration(settings) as admin:
        await check(admin, names, [SYMBOLS])
    async with clients.started(clients.producer(settings), settings) as sender:
        await send_all(sender, names, 0, by_topic([feed_records.symbols.outgoing(command.record)]))


async def send_and_wait(
    settings: RunSettings, command: SymbolCommand, timeout_s: float, acknowledged: Callable[[SymbolCommand], None]
) -> EventRecord:
    """Send a command and block until the feed answers, a rejection included; events from before it do not count.

    ``acknowledged`` is called as soon as Kafka has the command.

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
            await reader.position(tp)  # the end as it is before the command
        await send(settings, command)
        acknowledged(command)
        return await _answer(reader, command, timeout_s)


async def _answer(reader: AIOKafkaConsumer, command: SymbolCommand, timeout_s: float) -> EventRecord:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                for batch in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                    for event in _events(record.value for record in batch):
                        if command.answered_by(event):
                            return event
    except TimeoutError:
        exchange = command.record.exchange
        raise Unavailable(
            f"no feed of {exchange} answered for {command.record.symbol} in {timeout_s:g} s: does "
            f"feed_{exchange.lower()} run? The order stands, and is read when it starts"
        ) from None


def _events(values: Iterable[bytes | None]) -> Iterable[EventRecord]:
    for value in values:
        try:
            yield feed_records.events.read(value)
        except InvalidRecord:
            continue  # no answer of a feed; 'k2 feed list' counts what cannot be read
