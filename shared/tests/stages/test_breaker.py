"""When an agent halts instead of draining a bad deploy into the dead letters."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Gauge
from shared.tests.stages.toy_processor import OUT, TOPICS, P, Run, group_members
from structlog.testing import capture_logs

from k2_shared.kafka import clients
from k2_shared.kafka.topics import DLQ
from k2_shared.stages.breaker import Breaker, RefusalWindow, Threshold, Tripped
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.settings import ProcessorSettings
from k2_shared.stages.transactions import ASSIGNED, TransactionalAgent
from k2_support.waiting import eventually

pytestmark = TOPICS


def window(records: int = 10, share: float = 0.5, run: int = 1_000) -> RefusalWindow:
    return RefusalWindow(Threshold(records, share, run))


def write(judged: RefusalWindow, records: int, refused: Sequence[int]) -> None:
    """Judge a batch and write it."""
    judged.take(judged.judge(records, refused))


def test_a_share_is_judged_over_enough_records_alone() -> None:
    """Nine bad records of nine are too few to judge; with the tenth they trip."""
    judged = window()
    write(judged, 9, range(9))
    with pytest.raises(Tripped, match="9 of the last 10 records were refused"):
        write(judged, 1, [])


def test_the_share_must_be_exceeded() -> None:
    """Half of them, with a limit of a half, is allowed."""
    judged = window()
    for _ in range(100):
        write(judged, 4, [0, 2])


def test_only_the_newest_count() -> None:
    """A long good past does not hide a bad present, and a bad past is forgotten."""
    judged = window()
    write(judged, 1_000_000, [])
    with pytest.raises(Tripped, match="10 of the last 10"):
        write(judged, 10, range(10))
    judged = window()
    write(judged, 5, range(5))
    write(judged, 100, [])
    write(judged, 5, range(5))


def test_a_pardon_is_for_what_tripped_and_not_for_ever() -> None:
    """Each batch that begins before its end passes, of that partition alone; what begins there is judged."""
    breaker, at = Breaker(Gauge("halted", "of the test's", registry=CollectorRegistry())), TopicPartition("t", 1)
    assert not breaker.is_pardoned(at, 0)
    breaker.pardon(at, 50)
    assert breaker.is_pardoned(at, 40)
    assert breaker.is_pardoned(at, 49)
    assert not breaker.is_pardoned(at, 50)
    assert not breaker.is_pardoned(TopicPartition("t", 2), 40)


def test_what_was_not_written_does_not_count() -> None:
    """A batch whose transaction fails is read and judged again."""
    judged = window(run=6)
    for _ in range(5):
        judged.judge(5, range(5))
    write(judged, 5, range(5))
    with pytest.raises(Tripped, match="6 records in a row"):
        judged.judge(1, [0])


@pytest.mark.parametrize(
    "batches",
    [
        [(1_000, range(990, 1_000))],
        [(1_000, [5, *range(500, 510), 700])],
        [(1_000, range(993, 1_000)), (1_000, range(3))],
        [(1_000, range(999, 1_000)), *[(1, [0])] * 8, (1_000, [0])],
    ],
)
def test_a_run_of_refusals_trips_though_the_share_is_far_under(batches: list[tuple[int, Sequence[int]]]) -> None:
    """Within a batch, and over as many of them as it takes."""
    judged, (*before, (records, refused)) = window(1_000, 0.5, run=10), batches
    for batch in before:
        write(judged, *batch)
    with pytest.raises(Tripped, match="10 records in a row were refused"):
        write(judged, records, refused)


@pytest.mark.parametrize(
    "batches",
    [
        [(1_000, range(991, 1_000)), (1_000, range(1, 10))],
        [(1_000, [*range(9), *range(10, 19)])],
        [(1_000, range(991, 1_000)), (1, []), (1_000, range(9))],
        [(1_000, range(0, 1_000, 2))] * 3,
    ],
)
def test_a_record_that_is_not_refused_ends_a_run(batches: list[tuple[int, Sequence[int]]]) -> None:
    """However many are refused in all."""
    judged = window(1_000, 0.5, run=10)
    for batch in batches:
        write(judged, *batch)


@pytest.mark.parametrize(("note", "run"), [("refused=7", 7), ("", 0), ("refused=", 0), ("a tool's own", 0)])
def test_a_run_goes_on_from_the_note_of_the_committed_offset(note: str, run: int) -> None:
    """As many as it says, none where it says nothing of ours."""
    judged = window(run=10)
    judged.resume(note)
    assert judged.counts.run == run
    assert judged.counts.note == (note if run else "")
    write(judged, 2, [0, 1])
    if run:
        with pytest.raises(Tripped, match="10 records in a row"):
            write(judged, 1, [0])
    else:
        write(judged, 1, [0])


def test_a_limit_that_was_lowered_needs_a_refusal_to_trip() -> None:
    """A run that is over does not halt an agent that is started with a stricter limit."""
    judged = window(run=10)
    judged.resume("refused=50")
    write(judged, 5, range(1, 3))


def test_the_settings_say_the_limits() -> None:
    """Each has its variable."""
    settings = ProcessorSettings(breaker_records=7, breaker_share=0.25, breaker_run=3)
    assert AgentLimits.of(settings).threshold == Threshold(records=7, share=0.25, run=3)


@pytest.mark.usefixtures("topics")
async def test_too_many_refusals_halt_until_resumed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch that trips the breaker is not written; resumed, it goes through, and counting starts anew."""
    threshold, members = Threshold(records=10, share=0.5), group_members(monkeypatch)
    await run.write(*[b"bad"] * 6, *[b"a"] * 4)
    async with run.agent(threshold=threshold) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        (missing,), (member,) = agent.not_ready(), members
        assert missing.startswith(f"halted: {run.at.topic}[{P}]: 6 of the last 10 records were refused")
        await eventually(lambda: len(member.paused()) == 12, "the stand of every partition")
        await run.write(b"other", partition=P + 1)
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


@asynccontextmanager
async def another_member(run: Run, agent: TransactionalAgent) -> AsyncIterator[None]:
    """A member of the agent's group that takes no partition of its, so that the group deals out all of them anew."""
    member = clients.consumer(run.settings, group=run.names.group(run.service))
    async with clients.started(member, run.settings):
        with capture_logs() as said:
            member.subscribe([run.names.topic(OUT)])
            await eventually(member.assignment, "the other member's partitions")
            await eventually(lambda: any(each["event"] == ASSIGNED for each in said), "the partitions' return")
        assert run.at in agent.partitions
        yield


@pytest.mark.usefixtures("topics")
async def test_an_operators_word_outlives_a_rebalance(run: Run) -> None:
    """What tripped passes once the agent is resumed, though the partition left and came back."""
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        async with another_member(run, agent):
            assert await run.read(DLQ, committed=False) == []
            assert agent.breaker.resume()
            await run.wrote(10, DLQ)
            assert not agent.breaker.reason
            await run.write(*[b"bad"] * 10)
            await eventually(lambda: agent.breaker.reason, "the next halt")
    assert len(await run.read(DLQ)) == 10


@pytest.mark.usefixtures("topics")
async def test_a_halted_agent_stops_at_once(run: Run) -> None:
    """Waiting for an operator does not hold up a shutdown or a rebalance."""
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
    assert await run.read(DLQ, committed=False) == []


@pytest.mark.usefixtures("topics")
async def test_a_run_over_batches_and_a_restart_halts(run: Run) -> None:
    """The share is far under; what was refused before is told by the committed offset, also to the next owner."""
    threshold = Threshold(records=1_000, share=0.5, run=6)
    async with run.agent(threshold=threshold) as agent:
        await run.write(*[b"a"] * 20, b"bad", b"bad")
        await run.wrote(2, DLQ)
        await run.write(b"bad", b"bad")
        await run.wrote(4, DLQ)
        assert not agent.breaker.reason
    for _ in range(2):  # nobody resumed it: another start says the same
        async with run.agent(threshold=threshold) as agent:
            if not agent.breaker.reason:
                await run.write(b"bad", b"bad")
            await eventually(lambda: agent.breaker.reason, "the halt")
            (missing,) = agent.not_ready()
            assert missing.startswith(f"halted: {run.at.topic}[{P}]: ")
            assert "records in a row were refused" in missing
            assert len(await run.read(DLQ, committed=False)) == 4
    async with run.agent(threshold=threshold) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        assert agent.breaker.resume()
        await run.wrote(8, DLQ)
        await run.write(*[b"bad"] * 5)
        await run.wrote(13, DLQ)
        assert not agent.breaker.reason
        await run.write(b"bad")
        await eventually(lambda: agent.breaker.reason, "the next halt")
    assert len(await run.read(DLQ)) == 13
