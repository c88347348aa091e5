"""Topics on the real broker: named by the run, created once, checked before a start, told apart when recreated."""

from contextlib import suppress
from dataclasses import replace

import pytest

from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka.identities import Identity, identify
from k2_shared.kafka.topics import GOLD, Names, administration, check, create, murmur2, partition_for
from k2_support.ports import free_port
from k2_support.waiting import eventually

CONTRACT = replace(contracts.topics()[GOLD], partitions=2)


@pytest.mark.parametrize(
    ("key", "java"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_partitions_are_chosen_as_java_does(key: str, java: int) -> None:
    """The vectors of Kafka's own tests; a partition is the hash without its sign, modulo the count."""
    assert murmur2(key.encode()) & 0xFFFFFFFF == java & 0xFFFFFFFF
    assert partition_for(key.encode(), 12) == (java & 0x7FFFFFFF) % 12


def test_names_carry_the_prefix_once() -> None:
    """Topics, subjects, groups and transactional ids of two runs do not meet."""
    names = Names("run1.")
    assert names.topic(GOLD) == f"run1.{GOLD}"
    assert names.contract(names.topic(GOLD)).name == GOLD
    assert names.subject(names.topic(GOLD)) == f"run1.{GOLD}-value"
    assert names.group("silver") == "run1.k2.silver"
    assert names.transactional_id("gold", names.topic(GOLD), 3) == f"gold-v1-run1.{GOLD}-3"
    assert Names().transactional_id("gold", GOLD, 3) == f"gold-v1-{GOLD}-3"


async def test_creation_repeats_harmlessly_and_what_stands_is_checked(run_settings: RunSettings, names: Names) -> None:
    """A topic that stands stays as it is; another partition count than the contract's is refused by name."""
    async with administration(run_settings) as admin:
        for wanted in (CONTRACT, CONTRACT, contracts.topics()[GOLD]):
            await create(admin, names, [wanted], 1)
        with pytest.raises(ConfigError, match=f"{names.topic(GOLD)} has 2 partitions, its contract says 12"):
            await check(admin, names, [GOLD])
        await admin.delete_topics([names.topic(GOLD)])


async def test_a_created_topic_passes_the_check_and_a_missing_one_is_named(
    run_settings: RunSettings, names: Names
) -> None:
    """An agent does not start on half of its topics."""
    async with administration(run_settings) as admin:
        with pytest.raises(ConfigError, match=f"{names.topic(GOLD)} does not exist .*k2 init"):
            await check(admin, names, [GOLD])
        with pytest.raises(ConfigError, match=f"{names.topic(GOLD)} does not exist .*k2 init"):
            await identify(admin, [names.topic(GOLD)])
        await create(admin, names, [contracts.topics()[GOLD]], 1)
        await check(admin, names, [GOLD])
        await admin.delete_topics([names.topic(GOLD)])


async def test_the_broker_refuses_what_it_cannot_keep(run_settings: RunSettings, names: Names) -> None:
    """More copies than brokers is not created silently with fewer."""
    async with administration(run_settings) as admin:
        with pytest.raises(Halt, match=f"refused to create {names.topic(GOLD)}: InvalidReplicationFactorError"):
            await create(admin, names, [CONTRACT], 3)


async def test_a_recreated_topic_has_another_id(run_settings: RunSettings, names: Names) -> None:
    """The cluster stays the same; the topic of the same name is not the same topic."""
    topic = names.topic(GOLD)
    async with administration(run_settings) as admin:

        async def identity() -> Identity | None:
            await create(admin, names, [CONTRACT], 1)
            with suppress(ConfigError):  # the broker is still deleting the one before
                return await identify(admin, [topic])
            return None

        async def recreated() -> bool:
            found = await identity()
            return found is not None and found.topic_ids != before.topic_ids

        await eventually(identity, "the topic")
        before = await identify(admin, [topic])
        assert await identify(admin, [topic]) == before
        assert before.cluster_id
        await admin.delete_topics([topic])
        await eventually(recreated, "a topic of the same name with another id")
        assert (await identify(admin, [topic])).cluster_id == before.cluster_id
        await admin.delete_topics([topic])


async def test_a_broker_that_does_not_answer_is_unavailable() -> None:
    """The error names the address and the variable."""
    settings = KafkaSettings.load(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(
        Unavailable, match=f"{settings.kafka_bootstrap_servers}: start it, or check KAFKA_BOOTSTRAP_SERVERS"
    ):
        async with administration(settings):
            pytest.fail("connected to nothing")
