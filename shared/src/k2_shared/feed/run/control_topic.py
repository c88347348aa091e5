"""The operators' topic: which symbols they want captured."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from prometheus_client import Counter

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.logs import logger
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.symbol import unfit
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import SymbolRecord
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import SYMBOLS, Names

IGNORED = "symbol_record_ignored"
_STAGE = "control"
_POLL_MS = 500


@dataclass
class ControlTopic:
    """What operators have written about one venue's symbols; the newest record of a symbol counts."""

    settings: KafkaSettings
    names: Names
    exchange: Exchange
    errors: Counter
    said: dict[str, SymbolRecord] = field(default_factory=dict)
    position: int = 0

    @property
    def at(self) -> TopicPartition:
        """The partition of the topic."""
        return TopicPartition(self.names.topic(SYMBOLS), 0)

    async def read(self) -> None:
        """Read every record so far. Raises Unavailable where no broker answers."""
        self.position = (await offset_ranges_now(self.settings, [self.at]))[self.at].stop
        for value in (await clients.latest(self.settings, self.at, self.position)).values():
            self.read_record(value)

    def wanted(self, configured: tuple[str, ...]) -> list[str]:
        """The symbols to capture: those of the settings, as changed by operators."""
        said = {symbol: record.captured for symbol, record in self.said.items()}
        return [symbol for symbol in dict.fromkeys([*configured, *said]) if said.get(symbol, True)]

    def removed(self) -> set[str]:
        """The symbols that operators removed."""
        return {symbol for symbol, record in self.said.items() if not record.captured}

    async def follow(self, heard: Callable[[SymbolRecord], Awaitable[None]]) -> None:
        """Pass each record on that is written from now on, for ever."""
        reader = clients.consumer(self.settings)
        async with clients.started(reader, self.settings):
            reader.assign([self.at])
            reader.seek(self.at, self.position)
            while True:
                for record in (await reader.getmany(self.at, timeout_ms=_POLL_MS)).get(self.at, ()):
                    self.position = record.offset + 1
                    said = self.read_record(record.value)
                    if said:
                        await heard(said)

    def read_record(self, value: bytes | None) -> SymbolRecord | None:
        """Read and keep a record of this venue; one that cannot be read is logged, counted and passed over as None."""
        try:
            record = feed_records.symbols.read(value)
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
