"""A load generator: a process that writes trades as a feed does, evenly paced.

The values are encoded before the load begins, so that a machine of few CPUs is loaded by what is measured. Each
record says that it was received when it was due: where the generator is late, that counts as delay.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
from tests.bench.market import Market, distinct

from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Trade, encode, wire_prefix
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names, partition_for

TICK_S = 0.005
MAX_BATCHES_IN_FLIGHT = 2_000
HEAD_START_NS = 1_000_000_000


@dataclass(frozen=True)
class Load:
    """What to write: trades of both exchanges to the topics of a pattern, all of them again for each of the cycles."""

    prefix: str
    topic: str
    schema_id: int
    rate: int
    seconds: float
    symbols: int = Market.symbols
    first_id: int = Market.first_id
    cycles: int = 1

    @property
    def ticks(self) -> int:
        """How often something is written."""
        return round(self.seconds / TICK_S)

    def due(self, tick: int) -> range:
        """The numbers of the trades of a tick."""
        return range(round(tick * self.rate * TICK_S), round((tick + 1) * self.rate * TICK_S))

    def due_us(self, number: int) -> int:
        """When the trade of a number is due, after the first."""
        return round(number // (self.rate * TICK_S) * TICK_S * 1e6)

    @property
    def market(self) -> Market:
        """What the trades are of."""
        return Market(symbols=self.symbols, first_id=self.first_id)


@dataclass(frozen=True)
class Written:
    """What was written, how late it was handed to the Kafka client, and the CPU time that took."""

    records: int
    distinct: int
    seconds: float
    late_p50_ms: float
    late_p99_ms: float
    cpu_s: float


@dataclass(frozen=True)
class EncodedBatch:
    """Encoded trades of one tick and one partition."""

    topic: str
    partition: int
    records: Sequence[tuple[bytes, bytes]]


class Generator:
    """A load generator's process, as its owner sees it."""

    def __init__(self, load: Load) -> None:
        command = [sys.executable, "-m", __name__, json.dumps(asdict(load))]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)

    def begins_ns(self) -> int:
        """When the first record is due; waits until everything is encoded."""
        return int(self._line())

    def result(self) -> Written:
        """What was written; waits for the end."""
        return Written(**json.loads(self._line()))

    def _line(self) -> bytes:
        found = self._process.stdout.readline() if self._process.stdout else b""
        if not found:
            raise SystemExit("the load generator failed: its error stands above")
        return found

    def stop(self) -> None:
        """End the process, finished or not."""
        self._process.kill()
        self._process.communicate()


async def generate(load: Load) -> Written:
    """Write what is due, tick by tick, until the load's end."""
    settings, names = RunSettings.load(k2_prefix=load.prefix), Names(load.prefix)
    prepared = [_prepared(load, names, tick) for tick in range(load.ticks)]
    gc.freeze()  # the prepared records stay: a collection need not look at each of them
    async with clients.started(clients.producer(settings), settings) as sender:
        begin_ns, cpu_s = time.time_ns() + HEAD_START_NS, time.process_time()
        _tell(str(begin_ns))
        late = await _write(sender, chain.from_iterable(repeat(prepared, load.cycles)), begin_ns)
        cpu_s = time.process_time() - cpu_s
    seconds, count = (time.time_ns() - begin_ns) / 1e9, load.due(load.ticks).start * load.cycles
    p50, p99 = (float(ms) for ms in np.quantile(late, (0.5, 0.99), method="inverted_cdf"))
    return Written(count, distinct(count), seconds, p50, p99, cpu_s)


async def _write(sender: Any, prepared: Iterable[list[EncodedBatch]], begin_ns: int) -> list[float]:
    """Write each tick's batches when they are due; returns how late each tick was (ms)."""
    late: list[float] = []
    pending: deque[asyncio.Future[Any]] = deque()
    for batches in prepared:
        due_ns = begin_ns + int(len(late) * TICK_S * 1e9)
        await asyncio.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
        late.append((time.time_ns() - due_ns) / 1e6)
        pending.extend([await _send(sender, batch, due_ns) for batch in batches])
        while len(pending) > MAX_BATCHES_IN_FLIGHT:
            await pending.popleft()
    await asyncio.gather(*pending)
    return late


def _prepared(load: Load, names: Names, tick: int) -> list[EncodedBatch]:
    market, prefix = load.market, wire_prefix(load.schema_id)
    groups: dict[tuple[str, int], list[Trade]] = {}
    for trade in map(market.trade, load.due(tick)):
        topic = names.topic(load.topic.format(exchange=trade.exchange.lower()))
        groups.setdefault((topic, partition_for(trade.key, names.contract(topic).partitions)), []).append(trade)
    now_us = time.time_ns() // 1_000
    return [
        EncodedBatch(*place, [(t.key, encode(t, now_us, prefix)) for t in trades]) for place, trades in groups.items()
    ]


async def _send(sender: Any, batch: EncodedBatch, due_ns: int) -> asyncio.Future[Any]:
    made = sender.create_batch()
    header = (HEADER, Origin(due_ns, connection_id=1, frame_number=1).pack())
    for key, value in batch.records:
        made.append(key=key, value=value, timestamp=due_ns // 1_000_000, headers=[header])
    delivery: asyncio.Future[Any] = await sender.send_batch(made, batch.topic, partition=batch.partition)
    return delivery


def _tell(line: str) -> None:
    """Say something to the owner of this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    written = asyncio.run(generate(Load(**json.loads(sys.argv[1]))))
    _tell(json.dumps(asdict(written)))
