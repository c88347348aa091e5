"""What a transaction's cycle takes, and how often it meets the broker still at work on the one before.

Run it by ``make bench-commits``. After a commit the broker writes its markers; a producer that begins anew before they
stand is told so and backs off. Each partition has a producer of its own, so that one that waits holds up no other.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer import sender
from tests.bench.harness import Bench, Watch, broker_pid, own_topics, report, table

from k2_shared.core.records import Outgoing
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import GOLD

RECORD = Outgoing(GOLD, b"k", b"x" * 200, 1_762_795_434_000, ())


@dataclass(frozen=True)
class Cycles:
    """Cycles of some partitions side by side, each with a pause after its commit."""

    partitions: int
    pause_ms: int
    median_ms: float
    per_second: float
    backed_off: float
    client_ms: float
    broker_ms: float | None


@contextmanager
def counted_backoffs() -> Iterator[list[float]]:
    """Every back-off that a broker's answer to the first request of a transaction asks for, in seconds."""
    handler, seen = sender.AddPartitionsToTxnHandler, list[float]()
    real = handler.handle_response

    def handle(self: Any, response: Any) -> Any:
        pause = real(self, response)
        if pause is not None:
            seen.append(pause)
        return pause

    handler.handle_response = handle
    try:
        yield seen
    finally:
        handler.handle_response = real


async def cycle(bench: Bench, producer: AIOKafkaProducer, partition: int) -> float:
    """One transaction of one record; its milliseconds."""
    began = time.perf_counter()
    await producer.begin_transaction()
    await send_all(producer, bench.names, partition, {GOLD: [RECORD]})
    await producer.commit_transaction()
    return (time.perf_counter() - began) * 1e3


async def measure(bench: Bench, partitions: int, pause_ms: int, count: int) -> Cycles:
    """Run ``count`` cycles in each partition at once."""
    async with AsyncExitStack() as stack:
        ids = [f"{bench.names.prefix}commits-{partition}" for partition in range(partitions)]
        made = [clients.producer(bench.settings, transactional_id=each) for each in ids]
        producers = [await stack.enter_async_context(clients.started(each, bench.settings)) for each in made]

        async def work(partition: int) -> list[float]:
            took = []
            for _ in range(count):
                took.append(await cycle(bench, producers[partition], partition))
                await asyncio.sleep(pause_ms / 1e3)
            return took

        pid = broker_pid(bench)
        client, broker = Watch(os.getpid()), Watch(pid) if pid else None
        with counted_backoffs() as backoffs:
            began = time.perf_counter()
            took = [ms for each in await asyncio.gather(*map(work, range(partitions))) for ms in each]
            seconds = time.perf_counter() - began
        cost = [watch and watch.look() * 1e3 / len(took) for watch in (client, broker)]
    median, rate = statistics.median(took), len(took) / seconds
    return Cycles(partitions, pause_ms, median, rate, len(backoffs) / len(took), cost[0] or 0.0, cost[1])


async def bench_commits(count: int) -> list[Cycles]:
    """One partition alone and twelve together, without a pause and with some."""
    async with own_topics() as bench:
        await measure(bench, 12, 0, 5)  # warms up: coordinators are found, partitions have leaders
        return [await measure(bench, n, pause, count) for n in (1, 12) for pause in (0, 5, 20, 50)]


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What a transaction's cycle takes.")
    parser.add_argument("--cycles", type=int, default=100, help="per partition and line")
    found = asyncio.run(bench_commits(parser.parse_args().cycles))
    columns = (
        "partitions",
        "pause ms",
        "median cycle ms",
        "cycles a second",
        "back-offs a cycle",
        "CPU ms",
        "broker's CPU ms",
    )
    shown = table("one record a transaction; the pause comes after the commit", *columns)
    for line in found:
        cells = (line.partitions, line.pause_ms, f"{line.median_ms:.1f}", f"{line.per_second:.0f}")
        cost = (line.backed_off, line.client_ms, line.broker_ms)
        shown.add_row(*map(str, cells), *(f"{each:.2f}" if each is not None else "?" for each in cost))
    report([shown], {f"median_ms_{c.partitions}_pause_{c.pause_ms}": round(c.median_ms, 1) for c in found})


if __name__ == "__main__":
    main()
