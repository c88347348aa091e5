"""Silver as a process on the real stack."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Trade
from k2_shared.kafka.topics import BRONZE, DLQ, SILVER, Names, administration
from k2_support.plugin import Agents
from k2_support.records import trade, value
from k2_support.topics import read, topics_of, values, write
from k2_support.waiting import eventually

pytestmark = pytest.mark.topics(*topics_of("silver"))


def written(of: Trade, schema_id: int) -> Outgoing:
    topic = BRONZE.format(exchange=of.exchange.lower())
    return Outgoing(topic, of.key, value(of, schema_id), 1_762_795_434_000, ())


async def members(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    (answer,) = await admin.describe_consumer_groups([group])
    _error, _group, _state, _protocol_type, _protocol, found, *_ = answer.groups[0]
    return list(found)


async def test_it_commits_what_it_took_and_leaves_its_group_when_told_to_stop(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Both venues' trades go on byte for byte; after SIGTERM it exits 0, is no member any more, and a new one goes on
    exactly where it ended."""
    schema_id = next(iter(topics.values()))
    batches = [[trade(trade_id=n), trade(trade_id=n, exchange="BINANCE")] for n in range(1, 41)]
    sent = [written(of, schema_id) for batch in batches for of in batch]
    outputs = [SILVER.format(exchange=exchange) for exchange in ("kraken", "binance")]

    async def count() -> int:
        return sum([len(await read(run_settings, names, topic)) for topic in outputs])

    async with administration(run_settings) as admin:
        for half in (sent[:40], [*sent[40:], Outgoing(BRONZE.format(exchange="kraken"), b"k", None, 1, ())]):
            child = agents.start("silver").wait_ready()
            expected = await count() + 40
            await write(run_settings, names, half, partition=2)

            async def moved(expected: int = expected) -> bool:
                return await count() >= expected

            await eventually(moved, f"{expected} trades")
            assert len(await members(admin, names.group("silver"))) == 1
            assert child.stop() == 0
            assert await members(admin, names.group("silver")) == []
    for exchange, topic in zip(("kraken", "binance"), outputs, strict=True):
        of_venue = [r.value for r in sent if r.topic == BRONZE.format(exchange=exchange)]
        assert values(await read(run_settings, names, topic)) == of_venue
    (letter,) = await read(run_settings, names, DLQ)
    assert dict(letter.headers)["k2-dlq-reason"] == b"null_value"


async def test_a_wrong_setting_ends_it_with_2(agents: Agents) -> None:
    """One line names it."""
    child = agents.start("silver", SILVER_MAX_CLOCK_SKEW_S="-1")
    await eventually(lambda: child.exit_code is not None, "the end", 60)
    assert child.exit_code == 2
    assert "SILVER_MAX_CLOCK_SKEW_S='-1' is not allowed" in child.log_tail(1)
