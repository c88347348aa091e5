"""The topics in the broker are what their contracts say."""

from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names, administration, create


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


def settings_of(entries: list[Any]) -> dict[str, str]:
    """The settings of one resource by name."""
    return {name: value for name, value, *_ in entries}
