"""What a message costs within silver and gold: their pure parts, in this process, on the records that they read."""

import gc
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from rich.table import Table
from tests.bench.harness import Bench, table

from gold.domain import GoldProcessor
from gold.reading import Reader
from gold.settings import GoldSettings
from k2_shared.core.columns import TradeColumns, decode_columns
from k2_shared.core.gc_tuning import tune_gc
from k2_shared.core.records import RecordBatch
from k2_shared.core.trade import Exchange, contract_under
from k2_shared.kafka import clients
from k2_shared.kafka.topics import GOLD
from k2_shared.stages.limits import AgentLimits
from silver.rules import sound

RUNS = 3
POLL_MS = 200


@dataclass(frozen=True)
class Fetched:
    """The batches of each partition, as a loop gets them, and the µs of CPU a record took."""

    partitions: Sequence[Sequence[RecordBatch]]
    cost_us: float

    @property
    def batches(self) -> list[RecordBatch]:
        """All of them."""
        return list(chain.from_iterable(self.partitions))

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(map(len, self.batches))


async def fetch(bench: Bench, topic: str) -> Fetched:
    """Read a whole topic twice: once to see what that takes, once to keep it."""
    tune_gc()
    began, count = time.process_time(), 0
    async for _, batch in _batches(bench, topic):
        count += len(batch)
    cost_us = 1e6 * (time.process_time() - began) / count
    partitions: list[list[RecordBatch]] = [[] for _ in range(bench.names.contract(topic).partitions)]
    async for partition, batch in _batches(bench, topic):
        partitions[partition].append(batch)
    gc.freeze()  # an agent keeps no records: what is kept here shall not slow down what is measured next
    return Fetched(partitions, cost_us)


async def _batches(bench: Bench, topic: str) -> AsyncIterator[tuple[int, RecordBatch]]:
    """Every batch as a partition's loop gets it."""
    async with clients.started(clients.consumer(bench.settings), bench.settings) as reader:
        at = bench.names.partitions(topic)
        reader.assign(at)
        ends = await reader.end_offsets(at)
        for partition in at:
            while await reader.position(partition) < ends[partition]:
                found = await reader.getmany(partition, timeout_ms=POLL_MS, max_records=AgentLimits().max_records)
                for batch in found.values():
                    yield partition.partition, batch


def silver_parts(bench: Bench, exchange: Exchange, fetched: Fetched) -> dict[str, float]:
    """µs of CPU a message by part, as far as it is silver's pure work."""
    latest_us = time.time_ns() // 1_000
    columns = [_decode(bench, batch) for batch in fetched.batches]
    decode = _timed(fetched, lambda: [_decode(bench, batch) for batch in fetched.batches])
    rules = _timed(fetched, lambda: [sound(found, exchange, latest_us) for found in columns])
    return {"fetch": fetched.cost_us, "decode": decode, "rules": rules}


def gold_parts(bench: Bench, exchange: Exchange, fetched: Fetched) -> dict[str, float]:
    """µs of CPU a message by part, as far as it is gold's pure work."""
    decode = _timed(fetched, lambda: [_decode(bench, batch) for batch in fetched.batches])
    process = _timed(fetched, lambda: _deduplicate(bench, exchange, fetched))
    return {"fetch": fetched.cost_us, "decode": decode, "deduplicate": process - decode}


def _deduplicate(bench: Bench, exchange: Exchange, fetched: Fetched) -> None:
    compared_ids = GoldSettings.model_fields["gold_compared_ids"].default
    for partition, batches in enumerate(fetched.partitions):
        reader = Reader(exchange, contract_under(bench.schema_id), partition, len(fetched.partitions))
        processor, offset = GoldProcessor(exchange, reader, GOLD, compared_ids), 0
        for batch in batches:
            kept = len(processor.process(batch).outgoing[GOLD])
            processor.accept({GOLD: np.arange(offset, offset + kept)})
            offset += kept


def _decode(bench: Bench, batch: RecordBatch) -> TradeColumns:
    return decode_columns([r.value for r in batch], [r.key for r in batch], contract_under(bench.schema_id))


def _timed(fetched: Fetched, work: Callable[[], object]) -> float:
    """µs of CPU a record, the least of several runs."""
    spent = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return 1e6 * min(spent) / fetched.records


def parts_table(agent: str, parts: Mapping[str, float], total_us: float) -> Table:
    """Where the time of a message goes; the rest is the difference to what the agent's process took."""
    made = table(f"within {agent}", "part", "µs of CPU a message", "share")
    rest = {"encode, produce, commit": total_us - sum(parts.values())}
    for name, cost in (*parts.items(), *rest.items(), (f"all of {agent}'s process", total_us)):
        made.add_row(name, f"{cost:.2f}", f"{cost / total_us:.0%}")
    return made
