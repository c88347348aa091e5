"""An agent that does not read stays in its group: on the real broker, with a short limit between two polls."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from shared.tests.stages.toy_processor import KEPT, TOPICS, P, Run, group_members, works
from structlog.testing import capture_logs

from k2_shared.kafka import clients
from k2_shared.kafka.topics import DLQ, administration
from k2_shared.stages.breaker import Threshold
from k2_shared.stages.transactions import ASSIGNED, TransactionalAgent
from k2_support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]
INTERVAL_S = 0.5


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MAX_POLL_INTERVAL_MS", INTERVAL_S * 1_000)
    monkeypatch.setattr(clients, "HEARTBEAT_MS", 200)


async def members(run: Run) -> list[str]:
    """The ids under which the broker knows the group's members."""
    async with administration(run.settings) as admin:
        (answer,) = await admin.describe_consumer_groups([run.names.group(run.service)])
    ((_error, _group, _state, _protocol_type, _protocol, found, *_),) = answer.groups
    return [member_id for member_id, *_ in found]


async def outlast(run: Run, agent: TransactionalAgent) -> None:
    """Wait for several intervals, through which the group has the same member."""
    before = await members(run)
    assert len(before) == 1
    for _ in range(6):
        await asyncio.sleep(INTERVAL_S)
        assert await members(run) == before
    assert agent.partitions


async def test_a_halted_agent_is_in_its_group_and_comes_back_when_resumed(run: Run) -> None:
    """However long an operator takes, the partitions are this agent's, and its word is enough."""
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        await outlast(run, agent)
        assert await run.read(DLQ, committed=False) == []
        agent.breaker.resume()
        await run.wrote(10, DLQ)
        await run.write(b"a", partition=P + 1)
        await run.wrote(1)
    await run.moved_to(10)


async def test_a_recovery_that_outlasts_the_interval_costs_no_partition(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every partition recovers, nothing is read, and nobody else gets them meanwhile; then all is written once."""
    reached, go, latest = asyncio.Event(), asyncio.Event(), clients.latest

    async def slow(*of: Any) -> dict[bytes, bytes]:
        reached.set()
        await go.wait()
        return await latest(*of)

    monkeypatch.setattr(clients, "latest", slow)
    await run.write(b"a", b"b")
    async with run.agent(KEPT) as agent:
        await reached.wait()
        await eventually(lambda: len(agent.partitions) == 12, "the partitions")
        await outlast(run, agent)
        go.set()
        await run.wrote(2)
    assert await run.read(committed=False) == [b"a", b"b"]


async def test_a_rebalance_leaves_no_poll_that_counts_as_running(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After partitions came and went, an agent of which nobody reads has no poll open, and is in its group."""
    members_made = group_members(monkeypatch)
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        async with run.agent() as second:
            await eventually(lambda: works(second), "the second owner's partitions")
            await eventually(lambda: agent.partitions, "the first one's")
        await eventually(lambda: len(agent.partitions) == 12, "all partitions")
        subscription = members_made[0]._subscription
        await eventually(lambda: subscription._fetch_count == 0, "the end of every poll")
        await outlast(run, agent)


async def test_polls_that_fail_for_good_end_the_agent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that cannot be kept is not kept up in silence."""
    members_made = group_members(monkeypatch)
    async with run.agent(attempts=3) as agent:
        await eventually(lambda: works(agent), "readiness")
        (member,) = members_made
        real = member.getmany

        async def refuse(*at: Any, **limits: Any) -> Any:
            if at[0].topic == "":
                raise KafkaError("the test's")
            return await real(*at, **limits)

        monkeypatch.setattr(member, "getmany", refuse)
        await eventually(lambda: agent.crash_reason, "the end")
        assert "3 polls failed in a row, the last with KafkaError" in str(agent.crash_reason)


async def test_of_two_processes_under_one_name_the_older_halts_and_the_newer_works(run: Run) -> None:
    """It says by which setting, writes nothing, and stays out of the group until an operator resumes it."""
    async with run.agent(instance="toy-1") as older:
        await run.write(b"a")
        await run.wrote(1)
        async with run.agent(instance="toy-1") as newer:
            await eventually(lambda: older.breaker.reason, "the halt")
            await eventually(lambda: works(newer), "the newer one's readiness")
            (missing,) = older.not_ready()
            assert missing.startswith("halted: another process has taken over under K2_INSTANCE=toy-1")
            assert missing.endswith("then 'k2 dlq resume'")
            await eventually(lambda: not older.partitions, "the release of the older one's partitions")
            await outlast(run, newer)
            await run.write(b"b")
            await run.wrote(2)
            assert not older.crash_reason
            assert not newer.breaker.reason
            assert older.breaker.resume()
            await eventually(lambda: newer.breaker.reason, "the newer one's halt")
            await eventually(lambda: works(older), "the older one's return")
            await run.write(b"c")
            await run.wrote(3)
    assert await run.read(committed=False) == [b"a", b"b", b"c"]


async def test_an_older_process_that_ends_while_it_is_halted_takes_nothing(run: Run) -> None:
    """The newer one keeps every partition, undisturbed."""
    async with run.agent(instance="toy-1") as older:
        await eventually(lambda: works(older), "readiness")
        async with run.agent(instance="toy-1") as newer:
            await eventually(lambda: older.breaker.reason and not older.partitions, "the halt")
            await eventually(lambda: works(newer), "the newer one's readiness")
            with capture_logs() as said:
                await older.stop()
                await outlast(run, newer)
            assert works(newer)
            assert [each for each in said if each["event"] == ASSIGNED] == []


async def test_a_process_whose_session_ended_joins_again_under_its_name(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody took its name meanwhile: that is an ordinary rebalance, and no operator is asked."""
    members_made = group_members(monkeypatch)
    monkeypatch.setattr(clients, "SESSION_TIMEOUT_MS", 6_000)  # the least that Kafka allows
    await run.write(b"a")
    async with run.agent(instance="toy-1") as agent:
        await run.wrote(1)
        coordinator = members_made[0]._coordinator
        before, beat = agent.context.reader.member_id, coordinator._do_heartbeat

        async def silent() -> bool:
            return True

        monkeypatch.setattr(coordinator, "_do_heartbeat", silent)

        async def expired() -> bool:
            return not await members(run)

        await eventually(expired, "the session's end", 60)
        monkeypatch.setattr(coordinator, "_do_heartbeat", beat)
        await eventually(lambda: agent.context.reader.member_id not in ("", before) and agent.partitions, "the return")
        await run.write(b"b")
        await run.wrote(2)
        assert not agent.breaker.reason
