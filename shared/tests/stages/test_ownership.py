"""Who owns a partition, from when on, and from which offset: on the real broker."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError
from shared.tests.stages.toy_processor import IN, KEPT, OUT, TOPICS, P, Run, fail_once, works

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import DLQ, administration
from k2_support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]


async def test_a_second_owner_fences_the_first_which_halts(run: Run) -> None:
    """The first owner writes nothing more and says by whom it was stopped; the new owner's records stand."""
    async with run.agent() as first:
        await run.write(b"a")
        await run.wrote(1)
        second = clients.producer(run.settings, transactional_id=first.context.transactional_id(run.at))
        async with clients.started(second, run.settings):
            await run.write(b"late")
            await eventually(lambda: first.crash_reason, "the fenced owner's end")
            await second.begin_transaction()
            await send_all(second, run.names, P, {OUT: [Outgoing(OUT, b"k", b"second", 1, ())]})
            await second.commit_transaction()
        assert isinstance(first.crash_reason, Halt)
        assert f"{first.context.transactional_id(run.at)} was fenced by another owner" in str(first.crash_reason)
    await run.wrote(2)
    assert await run.read() == [b"a", b"second"]
    await run.moved_to(1)


async def test_a_new_owner_restores_before_it_reads_and_goes_on_where_the_last_ended(run: Run) -> None:
    """State comes from what was committed, then come the records behind the committed offset, once."""
    await run.write(b"a", b"b")
    async with run.agent(KEPT):
        await run.wrote(2)
    await run.write(b"c")
    async with run.agent(KEPT):
        await run.wrote(3)
    first, then = ["load 0", "process a b", "accept 0 1"], ["load 0", "restore a b", "process c", "accept 3"]
    assert run.asked == first + then
    assert await run.read() == [b"a", b"b", b"c"]


async def test_two_owners_share_the_partitions_and_write_each_record_once(run: Run) -> None:
    """While the second joins and the first leaves, every record is written exactly once, and no loop is waited out."""
    async with run.agent(revoke_timeout_s=300) as first:
        await run.write(b"a")
        await run.wrote(1)
        async with run.agent() as second:
            await eventually(lambda: works(second), "the second owner's partitions")
            for partition in range(12):
                await run.write(b"b%d" % partition, partition=partition)
            await run.wrote(13)
            assert first.partitions
            assert not first.partitions & second.partitions
            await first.stop()
            await eventually(lambda: len(second.partitions) == 12 and not second.not_ready(), "all partitions")
            await run.write(b"c")
            await run.wrote(14)
    assert sorted(value or b"" for value in await run.read()) == sorted(
        [b"a", b"c", *(b"b%d" % partition for partition in range(12))]
    )


async def test_a_restarted_process_has_its_partitions_back_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own name in the group, one that vanished without a word is replaced before its session ends."""
    monkeypatch.setattr(clients, "SESSION_TIMEOUT_MS", 120_000)
    await run.write(b"a")
    gone = clients.consumer(run.settings, group=run.names.group("toy"), instance="toy-1")
    await gone.start()
    gone.subscribe([run.names.topic(IN)])
    with suppress(NoOffsetForPartitionError):  # it has joined when it looks for its offsets
        await gone.getmany(timeout_ms=5_000)
    await gone._coordinator._stop_heartbeat_task()  # it lives, silent: nobody knows yet that it is gone
    async with run.agent(instance="toy-1", poll_ms=20) as agent:
        await eventually(lambda: works(agent), "the partitions")
        await run.wrote(1)
    await gone.stop()


async def test_a_rebalance_in_the_middle_of_a_cycle_waits_for_its_commit(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner that is asked to give up commits what it has begun; the next one starts behind it."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(real: Callable[[], Awaitable[None]]) -> None:
        reached.set()
        await go.wait()
        await real()

    fail_once(monkeypatch, "commit_transaction", slow)
    await run.write(b"a")
    async with run.agent() as first:
        await asyncio.wait_for(reached.wait(), 60)
        async with run.agent() as second:
            await eventually(lambda: run.at not in first.partitions, "the call to give it up")
            assert run.at not in second.partitions
            assert await run.committed() is None
            go.set()
            await eventually(lambda: run.at in first.partitions | second.partitions, "the partition's next owner")
            await run.write(b"b")
            await run.wrote(2)
    assert await run.read(committed=False) == [b"a", b"b"]
    assert run.asked == ["process a", "accept 0", "process b", "accept 2"]


@pytest.mark.parametrize("value", [b"a", b"bad"])
async def test_a_broker_that_forgot_every_offset_is_not_believed(run: Run, value: bytes) -> None:
    """No committed offset, though records or letters were written with one: nothing is read again."""
    await run.write(value)
    async with run.agent():
        await run.wrote(1, OUT if value == b"a" else DLQ)
    run.service = "forgetful"
    async with run.agent(attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "has no or too old an offset (None)" in str(agent.crash_reason)
        assert "restart the broker in order" in str(agent.crash_reason)
    assert len(await run.read(committed=False)) + len(await run.read(DLQ, committed=False)) == 1


async def test_an_offset_before_our_own_is_not_believed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has committed it knows itself; it waits until the broker does again."""
    await run.write(b"a", b"b")
    async with run.agent() as agent:
        await run.wrote(2)
        at = {tp: offset for tp, offset in agent.context.committed.items() if tp == run.at}
        agent.context.committed[run.at] = 7

        async def fail(*_: Any) -> None:
            raise KafkaConnectionError("the test's")

        monkeypatch.setattr(clients.Producer, "begin_transaction", fail)
        await run.write(b"c")
        doubts = "k2_errors_total", {"stage": run.service, "error_type": Unavailable.__name__}
        await eventually(lambda: (run.metrics.registry.get_sample_value(*doubts) or 0) > 2, "the doubts")
        monkeypatch.undo()
        agent.context.committed.update(at)
        await run.wrote(3)
    assert await run.read(committed=False) == [b"a", b"b", b"c"]


async def test_records_that_are_gone_are_not_skipped(run: Run) -> None:
    """Where the next record was deleted before it was read the agent ends, and says so; it does not go on behind."""
    await run.write(b"a", b"b")
    async with run.agent():
        await run.wrote(2)
    await run.write(b"c", b"d")
    async with administration(run.settings) as admin:
        await admin.delete_records({run.at: RecordsToDelete(before_offset=3)})
    async with run.agent(attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "OffsetOutOfRange" in str(agent.crash_reason)
    assert await run.read() == [b"a", b"b"]
