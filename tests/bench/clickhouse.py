"""What the embedded ClickHouse costs: a point read beside a heavy query, rows a second, memory, and CPU when idle.

Run it by ``make bench-clickhouse``. It starts a server of its own; latencies are told as ratios to those of the same
reads alone, since the machine's own pace changes by the minute.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from tests.bench.harness import Watch, report, table
from tests.contract.clickhouse.server import Embedded

BATCH = 100_000
HEAVY = "SELECT symbol, quantile(0.9)(price), uniqExact(id) FROM trades GROUP BY symbol"
POINT = "SELECT * FROM trades WHERE symbol = {s:String} AND id = {i:Int64}"
IDLE_S = 10.0


def rows(first: int) -> pa.Table:
    """One batch of trades."""
    ids = range(first, first + BATCH)
    return pa.table({"symbol": [f"S{i % 200}" for i in ids], "id": ids, "price": [i % 9_973 / 7 for i in ids]})


def filled(client: Client, count: int) -> float:
    """Make the table and insert ``count`` rows by Arrow; returns rows a second of the inserts alone."""
    client.command(
        "CREATE TABLE trades (symbol String, id Int64, price Float64) ENGINE=MergeTree ORDER BY (symbol, id)"
    )
    seconds = 0.0
    for first in range(0, count, BATCH):
        batch = rows(first)
        began = time.perf_counter()
        client.insert_arrow("trades", batch)
        seconds += time.perf_counter() - began
    return count / seconds


def reads(client: Client, count: int, total: int) -> list[float]:
    """Milliseconds of each of ``count`` point reads."""
    took = []
    for n in range(count):
        i = n * 7_919 % total
        began = time.perf_counter()
        client.query(POINT, {"s": f"S{i % 200}", "i": i})
        took.append((time.perf_counter() - began) * 1e3)
    return took


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Do ``work`` over and over in another thread for the length of the block."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def exported(client: Client) -> int:
    """Read the whole table as one Arrow stream; returns its rows."""
    with client.query_arrow_stream("SELECT * FROM trades") as batches:
        return sum(batch.num_rows for batch in batches)


def idle_percent(pid: int) -> float:
    """The share of a core that a server takes to which nobody speaks."""
    watch = Watch(pid)
    time.sleep(IDLE_S)
    return 100 * watch.look() / IDLE_S


def measure(server: Embedded, total: int, count: int) -> dict[str, float]:
    """Every number by its name."""
    process = psutil.Process(server.child.pid)

    def resident() -> float:
        return float(process.memory_info().rss) / 1e6

    found = {"resident_opened_mb": resident(), "idle_percent": idle_percent(process.pid)}
    with server.owner.client() as client, server.owner.client() as other:
        found["insert_rows_a_second"] = filled(client, total)
        found["resident_inserted_mb"] = resident()
        alone = reads(client, count, total)
        with beside(lambda: other.query(HEAVY)):
            loaded = reads(client, count, total)
        found["resident_queried_mb"] = resident()
        began = time.perf_counter()
        found["export_rows_a_second"] = exported(client) / (time.perf_counter() - began)
        found["resident_exported_mb"] = resident()
    for name, took in (("alone", alone), ("beside", loaded)):
        found[f"point_{name}_p50_ms"] = statistics.median(took)
        found[f"point_{name}_p95_ms"] = statistics.quantiles(took, n=20)[-1]
    found["point_ratio_p50"] = found["point_beside_p50_ms"] / found["point_alone_p50_ms"]
    return found


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description="What the embedded ClickHouse costs.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--reads", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="k2-bench-clickhouse-") as folder:
        server = Embedded(Path(folder)).start()
        try:
            found = measure(server, asked.rows, asked.reads)
        finally:
            server.stop()
    shown = table(f"embedded ClickHouse, {asked.rows:,} rows, {os.cpu_count()} cores", "what", "measured")
    for name, number in found.items():
        shown.add_row(name.replace("_", " "), f"{number:,.1f}")
    report([shown], {name: round(number, 2) for name, number in found.items()})


if __name__ == "__main__":
    main()
