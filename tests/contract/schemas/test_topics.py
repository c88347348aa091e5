"""The topics in the broker are what their contracts say."""

import re
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names, administration, create

MIGRATIONS = contracts.ROOT / "clickhouse"
HOUR_MS = 3_600_000


async def test_config(run_settings: RunSettings, names: Names) -> None:
    """Every topic has its contract's settings in the broker."""
    wanted = {names.topic(name): contract.config for name, contract in contracts.topics().items()}
    async with administration(run_settings) as admin:
        await create(admin, names, contracts.topics().values(), replication=1)
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted])
        await admin.delete_topics(list(wanted))
    found = {name: settings_of(entries) for answer in answers for _, _, _, name, entries in answer.resources}
    assert {name: {key: found[name][key] for key in config} for name, config in wanted.items()} == wanted


async def test_partitions(run_settings: RunSettings, names: Names, topics: dict[str, int]) -> None:
    """Every topic has its contract's partitions, each with a leader."""
    wanted = {names.topic(name): contract.partitions for name, contract in contracts.topics().items()}
    async with administration(run_settings) as admin:
        described = await admin.describe_topics(list(wanted))
    assert {each["topic"]: len(each["partitions"]) for each in described} == wanted
    assert all(partition["leader"] >= 0 for each in described for partition in each["partitions"])


def test_dead_letters_fit() -> None:
    """The dead-letter topic takes every record of the others with its headers."""
    limits = {name: contract.max_message_bytes for name, contract in contracts.topics().items()}
    dlq = limits.pop("market.crypto.trades.dlq")
    assert all(limit < dlq for limit in limits.values())


@pytest.mark.parametrize("table", contracts.warm_tables().values(), ids=lambda table: table.name)
def test_kafka_keeps_what_clickhouse_keeps(table: contracts.WarmTableContract) -> None:
    """A warm tier that is lost is filled again from Kafka alone: of no row is the record deleted first."""
    (file,) = [each for each in MIGRATIONS.iterdir() if re.fullmatch(rf"\d+_{table.name}\.sql", each.name)]
    kept = re.search(r"^TTL .* INTERVAL (\d+) (HOUR|DAY)$", file.read_text(), re.MULTILINE)
    assert kept
    row_ms = int(kept[1]) * {"HOUR": 1, "DAY": 24}[kept[2]] * HOUR_MS
    for topic in table.topics:
        record_ms = contracts.topics()[topic].retention_ms
        assert record_ms == -1 or record_ms >= row_ms, topic


def settings_of(entries: list[Any]) -> dict[str, str]:
    """The settings of one resource by name."""
    return {name: value for name, value, *_ in entries}
