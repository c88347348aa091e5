"""Every kind of agent whose topic is deleted, made anew or grown says so, as a process."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from tests.outage.pipeline import AGENTS, Pipeline

from k2_shared.core import contracts
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, SILVER, STATE, Names, administration, create
from k2_support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
KRAKEN = "kraken"
USERS = {
    BRONZE.format(exchange=KRAKEN): {"silver", "iceberg_sink", "feed_kraken"},
    SILVER.format(exchange=KRAKEN): {"silver", "gold", "iceberg_sink"},
    GOLD: {"gold", "iceberg_sink"},
    STATE: {"gold"},
    DLQ: {"silver", "gold", "feed_kraken", "feed_binance"},
}


@pytest.fixture
async def admin(pipeline: Pipeline) -> AsyncIterator[AIOKafkaAdminClient]:
    async with administration(KafkaSettings.load(kafka_bootstrap_servers=pipeline.bootstrap)) as client:
        yield client


async def test_a_topic_that_is_not_whole_is_told_by_everyone_who_uses_it_and_by_nobody_else(
    pipeline: Pipeline, admin: AIOKafkaAdminClient
) -> None:
    """Grown, then deleted, then made anew: each agent names its own topics, inputs and outputs alike."""
    names = Names(pipeline.prefix)

    async def told(words: str) -> None:
        def by_all() -> bool:
            return all(
                pipeline.that(lambda child, topic=topic: _says(child.missing(), names.topic(topic), words)) == users  # type: ignore[misc]
                for topic, users in USERS.items()
            )

        await eventually(by_all, f"'{words}' from everyone", 60)

    partitions = {name: contracts.topics()[name].partitions for name in USERS}
    await admin.create_partitions({names.topic(n): NewPartitions(count + 1) for n, count in partitions.items()})
    await told("nobody reads partition")
    assert pipeline.that(lambda child: child.exit_code is None) == set(AGENTS)
    await admin.delete_topics([names.topic(name) for name in USERS])
    await told("was deleted: ")
    await create(admin, names, [contracts.topics()[name] for name in USERS], 1)
    await told("was created anew: ")


def _says(missing: list[str], topic: str, words: str) -> bool:
    return any(f"topic {topic} " in said and words in said for said in missing)
