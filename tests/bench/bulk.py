"""Gold's state of many trades, built with gold's own classes as if gold had taken the trades."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tests.bench.harness import Bench
from tests.bench.market import Market

from gold.domain import GoldProcessor
from gold.facts import entries
from gold.reading import Reader
from gold.settings import GoldSettings
from gold.state import Symbol
from k2_shared.core.layout import Longs
from k2_shared.core.records import ByTopic, Outgoing
from k2_shared.core.trade import Exchange, record_key
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import GOLD, STATE, partition_for
from k2_shared.stages.processor import Stamp

HOLES = 0.001
NOTHING_AFTER = Stamp(input=0, output=0)
Place = tuple[Exchange, int]


@dataclass(frozen=True)
class Checkpoint:
    """What checkpoints of all partitions came to: their records, and the CPU seconds that making them took."""

    records: Mapping[Place, list[Outgoing]]
    cpu_s: float

    def bytes(self, kind: str = "") -> int:
        """The bytes of keys and values, of one kind of records or of all."""
        return sum(len(r.key or b"") + len(r.value or b"") for r in self._of(kind))

    def count(self) -> int:
        """How many records there are."""
        return len(self._of(""))

    def _of(self, kind: str) -> list[Outgoing]:
        return [r for group in self.records.values() for r in group if f"/{kind}".encode() in (r.key or b"")]


class State:
    """The stages of all input partitions, filled."""

    def __init__(self, market: Market, partitions: int, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self._partitions = partitions
        self._processors: dict[Place, GoldProcessor] = {}
        self.symbols: list[Symbol] = []
        for exchange, name in market.pairs():
            key = record_key(exchange, name)
            symbol = Symbol(key.decode(), _compared_ids())
            self.symbols.append(symbol)
            processor = self._processor(exchange, partition_for(key, partitions))
            processor.symbols[symbol.name] = symbol

    def _processor(self, exchange: Exchange, partition: int) -> GoldProcessor:
        reader = Reader(exchange, schemas={}, partition=partition, partitions=self._partitions)
        made = GoldProcessor(exchange, reader, GOLD, _compared_ids())
        return self._processors.setdefault((exchange, partition), made)

    def add(self, first_id: int, count: int) -> None:
        """Give every symbol the next ids, some left out."""
        for symbol in self.symbols:
            ids = np.arange(first_id, first_id + count)
            present: Longs = ids[self._random.random(count) >= HOLES]
            prints = self._random.integers(0, 2**64, len(present), np.uint64)
            symbol.add(entries(present, prints, np.arange(len(present))))

    def checkpoint(self) -> Checkpoint:
        """What changed since the last one."""
        began = time.process_time()
        made = {place: processor.checkpoint(NOTHING_AFTER) for place, processor in self._processors.items()}
        spent = time.process_time() - began
        return Checkpoint({place: _outgoing(records) for place, records in made.items()}, spent)

    def ids(self) -> int:
        """How many ids there are."""
        return sum(len(symbol.ids) for symbol in self.symbols)

    def memory_bytes(self) -> int:
        """What the bitmaps take in memory, as the bitmap library counts its containers."""
        return sum(_container_bytes(symbol) for symbol in self.symbols)

    def serialized_bytes(self) -> int:
        """What the bitmaps take serialized."""
        return sum(len(symbol.ids.serialize()) for symbol in self.symbols)

    def facts_bytes(self) -> int:
        """What the facts of the newest trades take in memory."""
        return sum(symbol.recent.kept.nbytes for symbol in self.symbols)


def _compared_ids() -> int:
    return int(GoldSettings.model_fields["gold_compared_ids"].default)


def _container_bytes(symbol: Symbol) -> int:
    counted = symbol.ids.get_statistics()
    return sum(int(value) for name, value in counted.items() if name.startswith("n_bytes_"))


def _outgoing(records: ByTopic) -> list[Outgoing]:
    return [record for record in records[STATE] if isinstance(record, Outgoing)]


async def write(bench: Bench, checkpoint: Checkpoint) -> None:
    """Write a checkpoint to the state topic."""
    async with clients.started(clients.producer(bench.settings), bench.settings) as sender:
        for (_, partition), records in checkpoint.records.items():
            await send_all(sender, bench.names, partition, {STATE: records})
