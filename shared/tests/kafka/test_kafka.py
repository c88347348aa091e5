"""Writing whole batches and replaying a partition, on the real broker."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.clients import BATCH_BYTES, started
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import DLQ, GOLD, STATE, Names, administration
from k2_support.ports import free_port
from k2_support.topics import read, values, write

pytestmark = [pytest.mark.usefixtures("topics"), pytest.mark.topics(DLQ, GOLD, STATE)]


def record(value: bytes | None, topic: str = DLQ, timestamp: int = 1_700_000_000_000) -> Outgoing:
    return Outgoing(topic, b"k", value, timestamp, (("h", b"1"), ("h", b"2")))


async def test_send_all_keeps_order_across_batches_and_topics(run_settings: RunSettings, names: Names) -> None:
    """More than one batch, one record larger than a batch among them, two topics: all in order, to one partition."""
    sizes = [10, BATCH_BYTES // 2, BATCH_BYTES // 2, BATCH_BYTES + 50_000, 10, BATCH_BYTES // 2, 0]
    sent = [record(bytes([number]) * size) for number, size in enumerate(sizes)] + [record(None)]
    await write(run_settings, names, [*sent, record(b"gold", GOLD)], partition=5)
    found = await read(run_settings, names, DLQ)
    assert values(found) == values(sent)
    assert {(r.partition, r.key, r.timestamp, r.headers) for r in found} == {
        (5, b"k", 1_700_000_000_000, (("h", b"1"), ("h", b"2")))
    }
    assert values(await read(run_settings, names, GOLD)) == [b"gold"]


async def test_a_full_batch_is_split(run_settings: RunSettings, names: Names) -> None:
    """Ten thousand records do not fit one batch and lose nothing at its edge."""
    sent = [record(b"%06d" % number * 20) for number in range(10_000)]
    await write(run_settings, names, sent)
    assert values(await read(run_settings, names, DLQ)) == values(sent)


async def test_a_record_beyond_the_topics_limit_halts(run_settings: RunSettings, names: Names) -> None:
    """No attempt will ever write it: said are which record, its size, the limit and what to do."""
    sent = [record(b"x" * 600_000, GOLD), record(b"x" * 1_100_000, GOLD), record(b"x" * 600_000, GOLD)]
    with pytest.raises(Halt) as halt:
        await write(run_settings, names, sent, partition=2)
    said = str(halt.value)
    assert said.startswith(f"{names.topic(GOLD)}[2] does not take the record of key k: it has 11000")
    assert "allowed are 1048576 (max_message_bytes" in said
    assert f"raise max.message.bytes of {names.topic(GOLD)}" in said


async def end_of(settings: RunSettings, at: TopicPartition) -> int:
    async with started(clients.consumer(settings, committed=False), settings) as reader:
        return int((await reader.end_offsets([at]))[at])


async def drained(settings: RunSettings, at: TopicPartition, start: int = 0, **limits: float) -> list[bytes | None]:
    found: list[Any] = []
    async for batch in clients.replay(settings, at, start, await end_of(settings, at), **limits):
        found += batch
    return values(found)


async def test_replay_reads_an_empty_partition_and_a_full_one(run_settings: RunSettings, names: Names) -> None:
    """It ends at the end, however large."""
    at = TopicPartition(names.topic(GOLD), 0)
    assert await drained(run_settings, at) == []
    sent = [record(b"%d" % number, GOLD) for number in range(2_000)]
    await write(run_settings, names, sent)
    assert await drained(run_settings, at) == values(sent)
    assert await drained(run_settings, at, 1_990) == values(sent[1_990:])


async def test_a_range_that_a_partition_does_not_hold_halts(run_settings: RunSettings, names: Names) -> None:
    """Neither a start behind the end, nor one before the first record that is left, is read as something else."""
    at = TopicPartition(names.topic(GOLD), 0)
    with pytest.raises(Halt, match="holds 0 to 0, and is to be read from 1"):
        await drained(run_settings, at, 1)
    await write(run_settings, names, [record(b"a", GOLD), record(b"b", GOLD)])
    async with administration(run_settings) as admin:
        await admin.delete_records({at: RecordsToDelete(before_offset=1)})
    with pytest.raises(Halt, match="holds 1 to 2, and is to be read from 0"):
        await drained(run_settings, at)


async def test_the_latest_of_each_key_is_what_is_not_deleted(run_settings: RunSettings, names: Names) -> None:
    """Later values win, and a deleted key is gone."""
    at = TopicPartition(names.topic(STATE), 0)
    given = [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2"), (b"b", None)]
    await write(run_settings, names, [Outgoing(STATE, key, value, 1, ()) for key, value in given])
    found = await clients.latest(run_settings, at, await end_of(run_settings, at))
    assert found == {b"a": b"2", b"c": b"1"}


async def test_writing_says_at_which_offsets(run_settings: RunSettings, names: Names) -> None:
    """One offset a record in their order, over as many batches as they need."""
    sent = [record(b"x" * 1_000, GOLD) for _ in range(2_000)]
    async with started(clients.producer(run_settings), run_settings) as sender:
        await send_all(sender, names, 0, {GOLD: sent[:7]})
        offsets = await send_all(sender, names, 0, {GOLD: sent, DLQ: []})
    assert list(offsets) == [GOLD]
    assert offsets[GOLD].tolist() == list(range(7, 2_007))


async def test_replay_waits_behind_an_open_transaction(run_settings: RunSettings, names: Names) -> None:
    """What was committed behind somebody's open transaction is hidden until that ends, and is not missed."""
    at = TopicPartition(names.topic(GOLD), 0)
    ids = [f"{names.prefix}{who}" for who in ("open", "committed", "aborted")]
    senders = [clients.producer(run_settings, transactional_id=transactional) for transactional in ids]
    async with (
        started(senders[0], run_settings) as open_one,
        started(senders[1], run_settings) as committed,
        started(senders[2], run_settings) as aborted,
    ):
        for sender, value in ((open_one, b"open"), (committed, b"committed"), (aborted, b"aborted")):
            await sender.begin_transaction()
            await send_all(sender, names, 0, {GOLD: [record(value, GOLD)]})
        await committed.commit_transaction()
        await aborted.abort_transaction()
        assert values(await read(run_settings, names, GOLD, committed=False)) == [b"open", b"committed", b"aborted"]
        assert await read(run_settings, names, GOLD) == []
        with pytest.raises(Unavailable, match=r"stalled at 0 of \d"):
            await drained(run_settings, at, stalled_after_s=0.3)
        replaying = asyncio.create_task(drained(run_settings, at))
        await open_one.commit_transaction()
        assert await replaying == [b"open", b"committed"]


async def test_replay_ends_when_the_last_transaction_was_aborted(run_settings: RunSettings, names: Names) -> None:
    """Aborted records and markers at the end move the position too, at once and not after the stall limit."""
    at = TopicPartition(names.topic(GOLD), 0)
    await write(run_settings, names, [record(b"first", GOLD)])
    sender = clients.producer(run_settings, transactional_id=f"{names.prefix}aborted")
    async with started(sender, run_settings):
        await sender.begin_transaction()
        await send_all(sender, names, 0, {GOLD: [record(b"aborted", GOLD)]})
        await sender.abort_transaction()
    async with asyncio.timeout(30):
        assert await drained(run_settings, at, stalled_after_s=300) == [b"first"]


async def test_a_client_that_cannot_start_is_unavailable(names: Names) -> None:
    """The error names the address and the variable."""
    settings = RunSettings.load(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="check KAFKA_BOOTSTRAP_SERVERS"):
        await read(settings, names, GOLD)
