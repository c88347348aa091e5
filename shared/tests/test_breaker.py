"""When an agent halts instead of draining a bad deploy into the dead letters."""

import asyncio

import pytest
from shared.tests.toy_stage import P, Run

from k2_shared.breaker import Threshold, Tripped, Window
from k2_shared.testing.waiting import eventually
from k2_shared.topics import DLQ


def window(records: int = 10, share: float = 0.5) -> Window:
    return Window(Threshold(records, share))


def test_a_share_is_judged_over_enough_records_alone() -> None:
    """Nine bad records of nine are too few to judge; with the tenth they trip."""
    judged = window()
    judged.judge(9, 9)
    with pytest.raises(Tripped, match="9 of the last 10 records were refused"):
        judged.judge(1, 0)


def test_the_share_must_be_exceeded() -> None:
    """Half of them, with a limit of a half, is allowed."""
    judged = window()
    for _ in range(100):
        judged.judge(4, 2)


def test_only_the_newest_count() -> None:
    """A long good past does not hide a bad present, and a bad past is forgotten."""
    judged = window()
    judged.judge(1_000_000, 0)
    with pytest.raises(Tripped, match="10 of the last 10"):
        judged.judge(10, 10)
    judged = window()
    judged.judge(5, 5)
    judged.judge(100, 0)
    judged.judge(5, 5)


def test_after_a_pardon_one_batch_passes_and_counting_starts_anew() -> None:
    """An operator's word holds for what tripped, and not for ever."""
    judged = window()
    judged.judge(5, 5)
    judged.pardon()
    judged.judge(50, 50)
    judged.judge(9, 9)
    with pytest.raises(Tripped):
        judged.judge(1, 1)


@pytest.mark.usefixtures("topics")
async def test_too_many_refusals_halt_until_resumed(run: Run) -> None:
    """The batch that trips the breaker is not written; resumed, it goes through, and counting starts anew."""
    threshold = Threshold(records=10, share=0.5)
    await run.write(*[b"bad"] * 6, *[b"a"] * 4)
    async with run.agent(threshold=threshold) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        (missing,) = agent.not_ready()
        assert missing.startswith(f"halted: {run.at.topic}[{P}]: 6 of the last 10 records were refused")
        await run.write(b"other", partition=P + 1)
        await asyncio.sleep(0.3)
        assert await run.read(committed=False) == []
        assert run.metrics.registry.get_sample_value("k2_halted") == 1
        assert agent.breaker.resume()
        await run.wrote(5)
        await run.wrote(6, DLQ)
        assert run.metrics.registry.get_sample_value("k2_halted") == 0
        await run.write(*[b"bad"] * 6)
        await run.wrote(12, DLQ)
        await run.write(*[b"bad"] * 6)
        await eventually(lambda: agent.breaker.reason, "the next halt")
    assert len(await run.read(DLQ)) == 12


@pytest.mark.usefixtures("topics")
async def test_a_halted_agent_stops_at_once(run: Run) -> None:
    """Waiting for an operator does not hold up a shutdown or a rebalance."""
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
    assert await run.read(DLQ, committed=False) == []
