"""The promises, each a check on a real broker; a check returns where the promise is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.transaction import TxnOffsetCommitRequest

from k2_shared.kafka.clients import Producer
from k2_support.probe.sandbox import Sandbox, expect

_COUNT = 10
_ROUNDS = 10
_COMPACTION_S = 90.0


async def list_offsets_are_exact(sandbox: Sandbox) -> None:
    """ListOffsets counts records and transaction markers, from 0 to the next offset."""
    at = await sandbox.topic("offsets")
    async with sandbox.writer() as plain, sandbox.writer("offsets") as sender:
        await sandbox.write(plain, at, _COUNT)
        expect(await sandbox.end(at) == _COUNT, f"the end after {_COUNT} records is {_COUNT}")
        async with sender.transaction():
            await sandbox.write(sender, at, 1)
    await sandbox.settled(at)
    end = await sandbox.end(at)
    expect(end == _COUNT + 2, f"a transaction of one record adds its marker: the end is {_COUNT + 2}, found {end}")
    offsets = [record.offset for record in await sandbox.read(at)]
    expect(offsets == list(range(_COUNT + 1)), f"offsets have no hole but markers, found {offsets}")


async def aborted_records_are_hidden(sandbox: Sandbox) -> None:
    """read_committed never sees what was aborted, and the records were there."""
    at = await sandbox.topic("aborted")
    async with sandbox.writer("aborted") as sender:
        await sender.begin_transaction()
        await sandbox.write(sender, at, _COUNT)
        there = len(await sandbox.read(at, committed=False))
        expect(there == _COUNT, f"read_uncommitted sees {_COUNT} records of an open transaction, found {there}")
        await sender.abort_transaction()
        await sandbox.settled(at)
        seen = len(await sandbox.read(at))
        expect(seen == 0, f"read_committed sees none of an aborted transaction, found {seen}")


async def the_last_stable_offset_is_honoured(sandbox: Sandbox) -> None:
    """Nothing behind an open transaction is readable before it ends."""
    at = await sandbox.topic("stable")
    async with sandbox.writer("stable") as sender, sandbox.writer() as plain:
        await sender.begin_transaction()
        await sandbox.write(sender, at, 1)
        await sandbox.write(plain, at, _COUNT)
        stable, high = await sandbox.end(at), await sandbox.end(at, committed=False)
        expect((stable, high) == (0, _COUNT + 1), f"stable offset 0 and high watermark {_COUNT + 1}: {stable}, {high}")
        expect(await sandbox.read(at) == [], "read_committed stops before an open transaction")
        await sender.commit_transaction()
    await sandbox.settled(at)
    seen = len(await sandbox.read(at))
    expect(seen == _COUNT + 1, f"after the commit all {_COUNT + 1} records are readable, found {seen}")


async def a_second_owner_fences_the_first(sandbox: Sandbox) -> None:
    """Starting a transactional id aborts its open transaction and shuts its older producer out."""
    at = await sandbox.topic("fencing")
    async with sandbox.writer("fencing") as first:
        await first.begin_transaction()
        await sandbox.write(first, at, _COUNT)
        async with sandbox.writer("fencing") as second:
            expect(await _is_refused(first.commit_transaction()), "the first owner's commit is refused as fenced")
            async with second.transaction():
                await sandbox.write(second, at, 1)
    await sandbox.settled(at)
    seen = len(await sandbox.read(at))
    expect(seen == 1, f"only the second owner's record is there, found {seen}")


async def an_offset_of_an_older_epoch_is_refused(sandbox: Sandbox) -> None:
    """What an owner that was shut out had sent changes no transaction of its successor, however late it comes."""
    at = await sandbox.topic("epochs")
    async with sandbox.writer("epochs") as first:
        async with first.transaction():
            await first.send_offsets_to_transaction({at: 1}, sandbox.group("epochs"))
        late = _offset_commit(sandbox, first, at, 1)
        async with sandbox.writer("epochs") as second, second.transaction():
            await second.send_offsets_to_transaction({at: 2}, sandbox.group("epochs"))
            coordinator = await second.client.coordinator_lookup(CoordinationType.GROUP, sandbox.group("epochs"))
            said = await second.client.send(coordinator, late, group=ConnectionGroup.COORDINATION)
    accepted = [topic for topic, partitions in said.errors for _, code in partitions if code == 0]
    found = await sandbox.moved("epochs", at, 2)
    expect(not accepted, f"an offset of an older epoch is refused, and was accepted; the group is at {found}")
    expect(found == 2, f"the group is at 2, where the younger epoch has moved it, found {found}")


def _offset_commit(sandbox: Sandbox, sender: Producer, at: TopicPartition, offset: int) -> TxnOffsetCommitRequest:
    """A request as a producer sends it in a transaction; aiokafka keeps id and epoch to itself."""
    known = sender._txn_manager
    return TxnOffsetCommitRequest(
        transactional_id=known.transactional_id,
        group_id=sandbox.group("epochs"),
        producer_id=known.producer_id,
        producer_epoch=known.producer_epoch,
        topics=[(at.topic, [(at.partition, offset, "")])],
    )


async def _is_refused(committing: Awaitable[None]) -> bool:
    try:
        await committing
    except ProducerFenced:
        return True
    return False


async def offsets_are_atomic_with_outputs(sandbox: Sandbox) -> None:
    """A group's offsets move with a commit and stay with an abort."""
    at, source = await sandbox.topic("outputs"), TopicPartition(f"{sandbox.run}.outputs", 0)
    async with sandbox.writer("atomic") as sender:
        await sender.begin_transaction()
        await sandbox.write(sender, at, 1)
        await sender.send_offsets_to_transaction({source: 5}, sandbox.group("atomic"))
        await sender.abort_transaction()
        expect(await sandbox.group_offset("atomic", source) is None, "an aborted transaction leaves the group's offset")
        await sender.begin_transaction()
        await sandbox.write(sender, at, 1)
        await sender.send_offsets_to_transaction({source: 7}, sandbox.group("atomic"))
        await sender.commit_transaction()
    found = await sandbox.moved("atomic", source, 7)
    expect(found == 7, f"a committed transaction moves the group's offset to 7, found {found}")


async def an_offset_read_after_fencing_is_current(sandbox: Sandbox) -> None:
    """However a fence and a commit meet, outputs and offsets that are read after the fence agree."""
    at = await sandbox.topic("current")
    for number in range(1, _ROUNDS + 1):
        async with sandbox.writer("current") as first:
            await first.begin_transaction()
            await sandbox.write(first, at, 1)
            await first.send_offsets_to_transaction({at: number}, sandbox.group("current"))
            committing = asyncio.ensure_future(first.commit_transaction())
            async with sandbox.writer("current"):
                offset = await sandbox.group_offset("current", at) or 0
                outputs = len(await sandbox.read(at))
            refused = await _is_refused(committing)
        seen = f"offset {offset} beside {outputs} outputs after fence {number}"
        expect((offset == number) == (outputs == number), f"offsets and outputs agree, found {seen}")
        expect(refused or offset == number, f"what was acknowledged is read after the fence, found {seen}")
        if offset != number:
            await _settle(sandbox, at, number)


async def _settle(sandbox: Sandbox, at: TopicPartition, number: int) -> None:
    """Bring outputs and offset of a round that was fenced off up to its number."""
    async with sandbox.writer("current") as sender:
        await sender.begin_transaction()
        await sandbox.write(sender, at, number - len(await sandbox.read(at)))
        await sender.send_offsets_to_transaction({at: number}, sandbox.group("current"))
        await sender.commit_transaction()


async def compaction_keeps_the_newest_of_each_key(sandbox: Sandbox) -> None:
    """A compacted topic loses older values and keeps the newest of every key."""
    config = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    at = await sandbox.topic("compacted", **config, **{"delete.retention.ms": "100", "max.compaction.lag.ms": "100"})
    deadline = time.monotonic() + _COMPACTION_S
    async with sandbox.writer() as sender:
        written = 0
        while True:
            await sandbox.write(sender, at, _COUNT)
            written += _COUNT
            found = await sandbox.read(at)
            newest = {record.key: record.value for record in found}
            expect(len(newest) == _COUNT, f"every one of {_COUNT} keys is there, found {len(newest)}")
            if len(found) < written:
                return
            expect(time.monotonic() < deadline, f"older values go within {_COMPACTION_S:.0f} s")
            await asyncio.sleep(1.0)


CHECKS: Mapping[str, Callable[[Sandbox], Awaitable[None]]] = {
    check.__name__: check
    for check in (
        list_offsets_are_exact,
        aborted_records_are_hidden,
        the_last_stable_offset_is_honoured,
        a_second_owner_fences_the_first,
        an_offset_of_an_older_epoch_is_refused,
        offsets_are_atomic_with_outputs,
        an_offset_read_after_fencing_is_current,
        compaction_keeps_the_newest_of_each_key,
    )
}
