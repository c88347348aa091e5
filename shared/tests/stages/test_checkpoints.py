"""State that is saved inside transactions and recovered from them, on the real broker."""

import pytest
from shared.tests.stages.toy_processor import KEPT, OUT, TOPICS, P, Run, polls, works

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.kafka.topics import STATE
from k2_support.topics import read, write
from k2_support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]
IDLE_POLLS = 10  # of 20 ms each; a checkpoint is due after each of them


async def test_a_checkpoint_stands_with_the_records_that_it_covers(run: Run) -> None:
    """A due checkpoint is committed with its transaction; the next owner restores only what came after it."""
    await run.write(b"a", b"b")
    saved = "k2_checkpoint_timestamp_seconds", {"topic": run.at.topic, "partition": str(P)}
    async with run.agent(KEPT, checkpoint_s=0.001):
        await run.wrote(2)
        await eventually(lambda: run.metrics.registry.get_sample_value(*saved), "the checkpoint's time")
    assert run.metrics.registry.get_sample_value(*saved) is None, "somebody else may own the partition now"
    await run.write(b"c")
    async with run.agent(KEPT):
        await run.wrote(3)
    run.asked.clear()
    async with run.agent(KEPT) as agent:
        await eventually(lambda: works(agent), "readiness")
    assert run.asked == ["load 1", "restore c"]
    (checkpoint,) = await read(run.settings, run.names, STATE)
    assert (checkpoint.partition, checkpoint.value) == (P, b"2 2")


async def test_an_idle_partition_follows_an_output_that_others_write(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens a transaction only when others have written much behind its stamp, and then once."""
    await write(run.settings, run.names, [Outgoing(OUT, b"k", b"theirs", 1, ())] * 50, P)
    async with run.agent(KEPT, checkpoint_s=0.001, idle_checkpoint_records=50):

        async def stamped() -> bool:
            return bool(await run.read(STATE))

        await eventually(stamped, "the idle partition's checkpoint")
        polled = polls(monkeypatch)
        await eventually(lambda: polled[run.at] > IDLE_POLLS, "more polls of it")
    assert await run.read(STATE) == [b"0 50"]
    assert run.asked[-1] == "checkpoint 0"


async def test_an_idle_partition_opens_no_transaction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a record to process nothing is written, aborted or committed."""
    async with run.agent(KEPT, checkpoint_s=0.001) as agent:
        await eventually(lambda: works(agent), "readiness")
        polled = polls(monkeypatch)
        await eventually(lambda: polled[run.at] > IDLE_POLLS, "more polls of it")
    assert await run.read(STATE, committed=False) == []
    assert await run.committed() is None


async def test_a_state_that_knows_more_than_the_output_holds_halts(run: Run) -> None:
    """An output that was created anew under its checkpoints is not taken for an empty one."""
    await write(run.settings, run.names, [Outgoing(STATE, b"toy", b"0 7", 1, ())], P)
    async with run.agent(KEPT) as agent:
        await eventually(lambda: agent.crash_reason, "the halt")
        assert isinstance(agent.crash_reason, Halt)
        assert "holds 0 to 0, and is to be read from 7" in str(agent.crash_reason)


async def test_an_offset_before_the_checkpoint_is_not_believed(run: Run) -> None:
    """The checkpoint was committed together with a later one."""
    await write(run.settings, run.names, [Outgoing(STATE, b"toy", b"5 0", 1, ())], P)
    async with run.agent(KEPT, attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "the checkpoint was written at 5" in str(agent.crash_reason)
