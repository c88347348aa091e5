"""Partitions of one agent do not wait for each other, and one that cannot write does not read on."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from shared.tests.stages.toy_processor import TOPICS, P, Run, group_members, works
from tests.faults.apis import END_TXN, PRODUCE
from tests.faults.proxy import Injection, Proxy

from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names
from k2_shared.stages.transactions import TransactionalAgent
from k2_support.waiting import eventually

HELD_S = 10.0  # a reply is held back so long: less than a transaction may take, more than the other partitions need
RECORD = b"x" * 10_000
RECORDS = 1_000  # ten times what a fetch brings of a partition
BATCH = 10

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]


@pytest.fixture
async def run(run_settings: RunSettings, names: Names) -> Run:
    """What a test writes and reads beside the proxy."""
    return Run(run_settings, names)


@pytest.fixture
def behind(run: Run, proxy: Proxy) -> Run:
    """A toy agent that knows the broker only by the proxy."""
    return Run(run.settings.model_copy(update={"kafka_bootstrap_servers": proxy.address}), run.names)


async def ready(agent: TransactionalAgent) -> None:
    await eventually(lambda: works(agent), "readiness")


def buffered(member: Any, at: TopicPartition) -> int:
    """The bytes of a partition that a consumer has fetched and nobody has taken whole."""
    found = member._fetcher._records.get(at)
    return int(found._partition_records._records.size_in_bytes()) if found else 0


async def is_held(injection: Injection) -> None:
    await eventually(lambda: injection.done, "the reply that is held back")


async def test_a_partition_whose_commit_hangs_holds_up_no_other(run: Run, behind: Run, proxy: Proxy) -> None:
    """Each has its own producer and its own transactions: eleven go on while one waits for its broker."""
    others = [number for number in range(12) if number != P]
    async with behind.agent() as agent:
        await ready(agent)
        stuck = proxy.inject(END_TXN, "delay", delay_s=HELD_S)
        await run.write(b"slow")
        await is_held(stuck)
        for round_ in range(1, 4):
            for number in others:
                await run.write(b"%d" % number, partition=number)
            await run.wrote(1 + round_ * len(others))
        assert stuck.felt == 0
        await run.moved_to(1)
    assert sorted(await run.read(committed=False)) == sorted([b"slow", *[b"%d" % number for number in others] * 3])


@pytest.mark.long
async def test_an_agent_that_cannot_write_reads_no_further(
    run: Run, behind: Run, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory is one batch and what one fetch brought, however much waits in the topic."""
    members = group_members(monkeypatch)
    await run.write(*[RECORD] * RECORDS)
    async with behind.agent(max_records=BATCH) as agent:
        stuck = proxy.inject(PRODUCE, "delay", delay_s=HELD_S)
        await is_held(stuck)
        await eventually(lambda: buffered(members[0], behind.at), "the fetch behind the batch")
        assert len([line for line in behind.asked if line.startswith("process")]) == 1
        assert await agent.context.reader.position(behind.at) <= BATCH
        assert buffered(members[0], behind.at) <= clients.FETCH_BYTES
        assert stuck.felt == 0
        await run.wrote(RECORDS)
    assert await run.read(committed=False) == [RECORD] * RECORDS
