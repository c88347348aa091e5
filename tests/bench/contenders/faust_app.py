"""The same work as a plain Faust agent, at least once: validate by the same rules, drop repeats, forward."""

import sys
import tempfile
import time
from typing import Any

import faust

from k2_shared.core.trade import contract_under, decode
from silver.rules import Context, broken

BOOTSTRAP, SOURCE, OUTPUT, SCHEMA_ID = sys.argv[1:5]
sys.argv[1:] = ["worker", "--without-web", "--loglevel", "warn"]

app = faust.App(
    f"bench-{OUTPUT}",
    broker=f"kafka://{BOOTSTRAP}",
    key_serializer="raw",
    value_serializer="raw",
    datadir=tempfile.mkdtemp(),
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    topic_partitions=12,
)
source = app.topic(SOURCE, partitions=12)
output = app.topic(OUTPUT, partitions=12)
seen: set[str] = set()


@app.agent(source)
async def forward(stream: Any) -> None:
    """Record by record."""
    async for event in stream.events():
        trade = decode(event.value, contract_under(int(SCHEMA_ID)))
        latest_us = time.time_ns() // 1_000 + 60_000_000
        if broken(trade, Context(event.key, "KRAKEN", latest_us)) or trade["message_id"] in seen:
            continue
        seen.add(trade["message_id"])
        await output.send(key=event.key, value=event.value)


if __name__ == "__main__":
    app.main()
