"""What a restart of the broker must leave as it is: written before it, looked for after it."""

import asyncio
import time

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from k2_shared.core.errors import ConfigError
from k2_shared.kafka.resumption import committed
from k2_support.probe.sandbox import Sandbox, expect

_TRANSACTIONS, _RECORDS = 20, 5
_LOADED_S = 60.0
_KEPT = "kept"


async def leave_marks(sandbox: Sandbox) -> None:
    """Write committed transactions with offsets, then an aborted one and one that stays open.

    Raises:
        ConfigError: this run has left its marks already.
    """
    if await sandbox.has(_KEPT):
        raise ConfigError(f"{sandbox.run} has left its marks before: look for them, or take another name")
    at = await sandbox.topic(_KEPT)
    async with sandbox.writer(_KEPT) as sender:
        for number in range(1, _TRANSACTIONS + 1):
            await sender.begin_transaction()
            await sandbox.write(sender, at, _RECORDS)
            await sender.send_offsets_to_transaction({at: number}, sandbox.group(_KEPT))
            await sender.commit_transaction()
        await sender.begin_transaction()
        await sandbox.write(sender, at, _RECORDS)
        await sender.abort_transaction()
        await sender.begin_transaction()
        await sandbox.write(sender, at, _RECORDS)


async def marks_outlive_a_restart(sandbox: Sandbox) -> None:
    """What was committed is there after a restart, with its offset; what was aborted or open never appears."""
    at = await sandbox.found(_KEPT)
    offset = await _offset(sandbox, at)
    expect(offset == _TRANSACTIONS, f"the group is at {_TRANSACTIONS} as before the restart, found {offset}")
    async with sandbox.writer(_KEPT) as successor, successor.transaction():
        await sandbox.write(successor, at, 1)
    await sandbox.settled(at)
    wanted = [b"%d" % n for _ in range(_TRANSACTIONS) for n in range(_RECORDS)] + [b"0"]
    found = [record.value for record in await sandbox.read(at)]
    expect(found == wanted, f"the {len(wanted)} committed records and no other are readable, found {len(found)}")


async def _offset(sandbox: Sandbox, at: TopicPartition) -> int | None:
    """The group's offset; while the coordinator still loads its groups it is asked again."""
    deadline = time.monotonic() + _LOADED_S
    while True:
        try:
            return (await committed(sandbox.admin, sandbox.group(_KEPT), at)).offset
        except KafkaError:
            expect(time.monotonic() < deadline, f"the group's coordinator knows its offsets within {_LOADED_S:.0f} s")
        await asyncio.sleep(0.5)
