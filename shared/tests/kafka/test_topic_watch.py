"""An agent whose topics were deleted, made anew or grown says which, on the real broker."""

from collections.abc import AsyncIterator, Mapping

import pytest
from aiokafka.admin import NewPartitions
from prometheus_client import CollectorRegistry, Gauge
from shared.tests.stages.toy_processor import IN, OUT, TOPICS, Run, group_members, works

from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.kafka import broker_watch
from k2_shared.kafka.broker_watch import BrokerWatch
from k2_shared.kafka.identities import Incarnation
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import administration, create
from k2_support.topics import write
from k2_support.waiting import eventually

pytestmark = TOPICS
COUNT = contracts.topics()[IN].partitions


class CountingWatch(TopicWatch):
    """One that counts the broker's answers."""

    answers = 0

    def judge(self, found: Mapping[str, Incarnation | None]) -> None:
        super().judge(found)
        self.answers += 1


def watching(counts: dict[str, int]) -> TopicWatch:
    watch = TopicWatch(Gauge("unread", "of the test's", ["topic"], registry=CollectorRegistry()))
    watch.watch(counts)
    return watch


def test_a_topic_that_was_not_there_at_the_start_is_for_the_start_to_refuse() -> None:
    """Only what was seen can have been deleted."""
    watch = watching({"t": 3})
    watch.judge({"t": None})
    assert watch.not_ready() == []
    watch.judge({"t": Incarnation("a", 3)})
    watch.judge({"t": None})
    assert watch.not_ready()[0].startswith("topic t was deleted: ")


def test_a_topic_that_is_whole_again_is_ready_again_and_one_that_is_not_told_of_stays_as_it_was() -> None:
    """While a topic is being made the broker says nothing of it."""
    watch = watching({"t": 3, "u": 1})
    whole = {"t": Incarnation("a", 3), "u": Incarnation("b", 1)}
    watch.judge(whole)
    watch.judge({"t": Incarnation("a", 2), "u": Incarnation("b", 1)})
    (said,) = watch.not_ready()
    assert "t has 2 partitions, its contract says 3: add the others" in said
    watch.judge({"u": Incarnation("b", 1)})
    assert watch.not_ready() == [said]
    watch.judge(whole)
    assert watch.not_ready() == []


@pytest.fixture
async def watch(run: Run, topics: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BrokerWatch]:
    """A watch over an input and an output of the toy agent, as its shell keeps one."""
    monkeypatch.setattr(broker_watch, "EVERY_S", 0.05)
    counting = CountingWatch(run.metrics.unread_partitions)
    counting.watch(run.names.partition_counts([IN, OUT]))
    service = BrokerWatch(run.settings, counting)
    await service.start()
    await eventually(lambda: counting.answers, "the first answer")
    yield service
    await service.stop()


@pytest.mark.parametrize("name", [IN, OUT], ids=["input", "output"])
async def test_a_topic_that_was_deleted_is_named_and_so_is_one_that_was_made_anew(
    run: Run, watch: BrokerWatch, name: str
) -> None:
    """Under the same name it is another topic; to recreate it is not what is advised."""
    topic = run.names.topic(name)
    assert watch.not_ready() == []
    async with administration(run.settings) as admin:
        await admin.delete_topics([topic])
        await eventually(watch.not_ready, "the missing topic")
        (said,) = watch.not_ready()
        assert said.startswith(f"topic {topic} was deleted: stop what writes to it and restore it with what it held")

        async def anew() -> bool:
            await create(admin, run.names, [contracts.topics()[name]], 1)
            return any(f"topic {topic} was created anew: its id was " in said for said in watch.not_ready())

        await eventually(anew, "the new topic")


async def test_a_partition_beyond_the_contract_is_named_counted_and_left_alone(
    run: Run, watch: BrokerWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads it, which is told; the others go on as before."""
    topic, members = run.names.topic(IN), group_members(monkeypatch)
    async with run.agent() as agent:
        await run.write(b"a")
        await run.wrote(1)
        async with administration(run.settings) as admin:
            await admin.create_partitions({topic: NewPartitions(COUNT + 1)})
        await eventually(watch.not_ready, "the new partition")
        (said,) = watch.not_ready()
        assert (
            f"topic {topic} has {COUNT + 1} partitions, its contract says {COUNT}: nobody reads partition {COUNT}"
            in said
        )
        assert run.metrics.registry.get_sample_value("k2_topic_unread_partitions", {"topic": topic}) == 1
        (consumer,) = members
        consumer._client.force_metadata_update()
        await eventually(lambda: len(consumer.assignment()) == COUNT + 1, "its assignment")
        await eventually(lambda: works(agent), "readiness")
        assert len(agent.partitions) == COUNT
        await write(run.settings, run.names, [Outgoing(IN, b"KRAKEN:X", b"beyond", 1, ())], COUNT)
        await run.write(b"b")
        await run.wrote(2)
        assert await run.read(committed=False) == [b"a", b"b"]
        assert not agent.crash_reason
