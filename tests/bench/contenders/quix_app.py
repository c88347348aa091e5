"""The same work in quixstreams, at least or exactly once: validate by the same rules, drop repeats, forward."""

import sys
import tempfile
import time

from quixstreams import Application

from k2_shared.core.trade import contract_under, decode
from silver.rules import Context, broken

BOOTSTRAP, SOURCE, OUTPUT, SCHEMA_ID, GUARANTEE = sys.argv[1:6]

app = Application(
    broker_address=BOOTSTRAP,
    consumer_group=f"bench-{OUTPUT}",
    auto_offset_reset="earliest",
    processing_guarantee=GUARANTEE,  # type: ignore[arg-type]
    commit_interval=0.25,
    state_dir=tempfile.mkdtemp(),
    loglevel="WARNING",
    auto_create_topics=False,
)
source = app.topic(SOURCE, key_deserializer="bytes", value_deserializer="bytes")
output = app.topic(OUTPUT, key_serializer="bytes", value_serializer="bytes")
seen: set[str] = set()


def wanted(value: bytes, key: bytes, _timestamp: int, _headers: object) -> bool:
    """Whether a record is valid and new."""
    trade = decode(value, contract_under(int(SCHEMA_ID)))
    if broken(trade, Context(key, "KRAKEN", time.time_ns() // 1_000 + 60_000_000)) or trade["message_id"] in seen:
        return False
    seen.add(trade["message_id"])
    return True


if __name__ == "__main__":
    app.dataframe(source).filter(wanted, metadata=True).to_topic(output)
    app.run()
