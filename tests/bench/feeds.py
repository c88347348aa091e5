"""Trades per CPU second from the socket to acknowledged Kafka: ours with either transport, and a plain client.

Run it by ``make bench-feeds``. Real recorded frames of both venues come over real sockets from a process that sends
them as fast as they are taken. Each client is a process of its own; its CPU time (user and system, native threads
included, server and broker not) counts from the first frame to the last acknowledgement. The rounds alternate
between the clients; the median of each counts. A stage's cost is that of the stage alone, over the same frames.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import get_args

from rich.table import Table
from tests.bench.feeds_client import Cost, Kind, Task
from tests.bench.harness import Bench, bounded, own_topics, report, table

from k2_shared.core.trade import Exchange

NAMES: Mapping[Kind, str] = {"websockets": "ours_websockets", "picows": "ours_picows", "plain": "plain"}
Costs = dict[tuple[Kind, Exchange], Cost]


@dataclass(frozen=True)
class Served:
    """What a server has: frames and trades of each venue."""

    port: int
    served: Mapping[Exchange, tuple[int, int]]


@asynccontextmanager
async def server(trades: int) -> AsyncIterator[Served]:
    """The process that sends."""
    argv = ("-m", "tests.bench.feeds_server", str(trades))
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        yield Served(**json.loads(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


async def measure(bench: Bench, served: Served, kind: Kind, exchange: Exchange) -> Cost:
    """One client's cost."""
    frames, trades = served.served[exchange]
    url = f"ws://127.0.0.1:{served.port}/{exchange}"
    task = Task(kind, exchange, url, frames, trades, bench.names.prefix, bench.schema_id)
    argv = ("-m", "tests.bench.feeds_client", json.dumps(asdict(task)))
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the client {NAMES[kind]} of {exchange} failed: its error stands above")
    return Cost(**json.loads(said))


async def run(trades: int, rounds: int) -> Costs:
    """Every client in turn, several times; the median of each number."""
    found: dict[tuple[Kind, Exchange], list[Cost]] = {}
    async with own_topics() as bench, server(trades) as served:
        for _ in range(rounds):
            for exchange in get_args(Exchange):
                for kind in get_args(Kind):
                    found.setdefault((kind, exchange), []).append(await measure(bench, served, kind, exchange))
    return {which: middle(costs) for which, costs in found.items()}


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return Cost(**{field.name: median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)})


def both(costs: Costs, kind: Kind) -> Cost:
    """A client's cost of a trade where both venues trade as much."""
    of_kind = [costs[kind, exchange] for exchange in get_args(Exchange)]
    return Cost(**{field.name: sum(getattr(cost, field.name) for cost in of_kind) / 2 for field in fields(Cost)})


def stages(title: str, costs: Mapping[Kind, Cost]) -> Table:
    """Where the time of a trade goes."""
    columns = ("receive", "parse", "coverage", "encode", "append, send", "all", "per CPU second")
    made = table(title, "µs of CPU a trade", *columns)
    for kind, cost in costs.items():
        parts = (cost.receive, cost.parse, cost.coverage, cost.encode, cost.rest, cost.total)
        made.add_row(NAMES[kind], *(f"{part:.2f}" for part in parts), f"{1e6 / cost.total:,.0f}")
    return made


def main() -> None:
    """Print tables for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="Trades per CPU second from the socket to acknowledged Kafka.")
    parser.add_argument("--trades", type=int, default=60_000, help="of each venue, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    costs = bounded(run(given.trades, given.rounds))
    kinds = get_args(Kind)
    total = {kind: both(costs, kind) for kind in kinds}
    tables = [stages(venue, {kind: costs[kind, venue] for kind in kinds}) for venue in get_args(Exchange)]
    speed = {NAMES[kind]: round(1e6 / cost.total) for kind, cost in total.items()}
    best = max(speed["ours_websockets"], speed.pop("ours_picows"))
    report([*tables, stages("both venues, as many trades of each", total)], {**speed, "ours_best": best})


if __name__ == "__main__":
    main()
