"""Topics that keep their batches compressed, on the real broker: every codec of Kafka is read, by every agent."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiokafka.codec
import pytest
from aiokafka.errors import UnsupportedCodecError

from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import message_id
from k2_shared.kafka import clients
from k2_shared.kafka.codecs import CODECS
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, GOLD, STATE, Names, partition_for
from k2_shared.lake import iceberg
from k2_support.plugin import Agents
from k2_support.records import trade, value
from k2_support.topics import lasting_topics, read, values, write
from k2_support.waiting import eventually

FEEDS = [venue.service for venue in contracts.venues().values()]
SERVICES = [*FEEDS, "silver", "gold", "iceberg_sink", "lag_exporter", "maintenance", "offload", "warm_sink"]
# zstd in each run; the others, whose reading differs by one call of the library, where there is more time.
EACH = [pytest.param(codec, codec, marks=[] if codec == "zstd" else pytest.mark.long) for codec in CODECS]


@pytest.fixture
async def topics(run_settings: RunSettings, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, int]]:
    """Every topic of the contracts, kept in one codec."""
    async with lasting_topics(run_settings, request.param) as ids:
        yield ids


@pytest.fixture
def catalog(names: Names) -> Iterator[Any]:
    """Every table of the contracts."""
    found = iceberg.connect(LakeSettings.load())
    for contract in contracts.tables().values():
        iceberg.create(found, names, contract)
    yield found
    for name in contracts.tables():
        found.drop_table((iceberg.namespace(names), name))


async def assert_kept_in(settings: RunSettings, names: Names, topic: str, codec: str) -> None:
    """The broker serves batches of the codec: who lacks it cannot read them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(aiokafka.codec, f"has_{codec}", lambda: False)
        with pytest.raises(UnsupportedCodecError, match=codec):
            await read(settings, names, topic)


@pytest.mark.parametrize(("topics", "codec"), [(codec, codec) for codec in CODECS], indirect=["topics"])
async def test_every_topic_is_read_in_every_codec(
    topics: dict[str, int], codec: str, run_settings: RunSettings, names: Names
) -> None:
    """Trades, frames, letters, checkpoints and what feeds are told; whole, and also by the newest value of a key."""
    assert topics
    data = [b"%d " % n * 500 for n in range(20)]
    for topic in contracts.topics():
        await write(run_settings, names, [Outgoing(topic, b"key%d" % n, each, 1, ()) for n, each in enumerate(data)])
        assert values(await read(run_settings, names, topic)) == data
        await assert_kept_in(run_settings, names, topic, codec)
    at = names.partitions(STATE)[0]
    assert await clients.latest(run_settings, at, len(data)) == {b"key%d" % n: each for n, each in enumerate(data)}


@pytest.mark.long
@pytest.mark.parametrize(("topics", "codec"), EACH, indirect=["topics"])
@pytest.mark.timeout(600)
async def test_the_pipeline_goes_from_bronze_to_its_tables(
    topics: dict[str, int], codec: str, agents: Agents, run_settings: RunSettings, names: Names, catalog: Any
) -> None:
    """Each trade once, a broken record among the letters, which are listed; a gold that is killed knows what it has."""
    schema_id = next(iter(topics.values()))

    async def offer(*trade_ids: int) -> None:
        for exchange in EXCHANGES:
            of = [trade(exchange=exchange, trade_id=n) for n in trade_ids]
            topic = BRONZE.format(exchange=exchange.lower())
            sent = [Outgoing(topic, t.key, value(t, schema_id), 1_762_795_434_000, ()) for t in of]
            sent.append(Outgoing(topic, of[0].key, None, 1_762_795_434_000, ()))
            await write(run_settings, names, sent, partition_for(of[0].key, 12))

    async def holds(topic: str, count: int) -> None:
        async def there() -> bool:
            return len(await read(run_settings, names, topic)) >= count

        await eventually(there, f"{count} records in {topic}", 120)

    await offer(*range(1, 51))
    environment = {"CHECKPOINT_INTERVAL_S": "0.2", "SINK_INTERVAL_S": "1"}
    silver, gold, sink = (agents.start(name, **environment) for name in ("silver", "gold", "iceberg_sink"))
    await holds(GOLD, 100)
    await offer(*range(51, 101))  # by now a checkpoint is due, and goes with them
    await holds(GOLD, 200)
    await holds(STATE, 4)
    gold.kill()
    gold = agents.start("gold", **environment)
    await offer(*range(51, 151))
    await holds(GOLD, 300)
    await holds(DLQ, 6)
    expected = sorted(f"{exchange}:BTC/USDT:{n}" for exchange in EXCHANGES for n in range(1, 151))
    assert sorted(message_id(record.value) for record in await read(run_settings, names, GOLD)) == expected

    def in_table() -> list[str]:
        table = catalog.load_table((iceberg.namespace(names), "gold_crypto_trades"))
        return sorted(table.scan(selected_fields=("message_id",)).to_arrow()["message_id"].to_pylist())

    await eventually(lambda: in_table() == expected, "every trade in the table", 120)
    assert [child.stop() for child in (silver, gold, sink)] == [0, 0, 0]
    listed = await asyncio.to_thread(k2, "dlq", "list", K2_PREFIX=run_settings.k2_prefix)
    assert listed.returncode == 0, listed.stderr
    assert "null_value" in listed.stdout
    for topic in (BRONZE.format(exchange="kraken"), GOLD, STATE, DLQ):
        await assert_kept_in(run_settings, names, topic, codec)


def k2(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line."""
    command = [sys.executable, "-m", "k2", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("module", [*SERVICES, "k2"])
def test_without_the_library_nothing_starts(module: str, tmp_path: Path) -> None:
    """At once, before a broker is asked, with one line that names the codecs and what to install."""
    (tmp_path / "cramjam.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", module, *(["dlq", "list"] if module == "k2" else [])],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{module}: batches that Kafka keeps in snappy, lz4, zstd cannot be read here")
    assert "aiokafka[lz4,snappy,zstd]" in line
