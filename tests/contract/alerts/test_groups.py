"""The groups that are measured are those that the services read by."""

from typing import Any, cast

import pytest

import gold.main
import silver.main
from gold.settings import GoldSettings
from iceberg_sink.settings import SinkSettings
from iceberg_sink.sink import SinkTable
from k2_shared.core import contracts
from k2_shared.core.metrics import Metrics
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.lag import groups
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import Names
from k2_shared.stages.agent import Health, Shell
from silver.settings import SilverSettings
from warm_sink.settings import WarmSinkSettings
from warm_sink.sink import WarmTable

NAMES = Names("t.")
MEASURED = groups(NAMES)


def shell() -> Shell:
    metrics = Metrics("test", "0")
    return Shell(cast("Any", None), metrics, Health(), TopicWatch(metrics.unread_partitions))


def agents() -> list[Any]:
    return [
        silver.main.compose(SilverSettings.load(k2_prefix="t."), shell()),
        gold.main.compose(GoldSettings.load(k2_prefix="t."), shell()),
    ]


@pytest.mark.parametrize("agent", agents(), ids=lambda agent: agent.pipeline.service)
def test_an_exactly_once_agent_is_measured(agent: Any) -> None:
    """By its own group, over its inputs."""
    assert set(MEASURED[agent.group]) == set(agent.pipeline.inputs)


@pytest.mark.parametrize("table", contracts.tables())
def test_a_table_is_measured(table: str) -> None:
    """By the group of its sink, over the topics of its contract."""
    target = SinkTable(contracts.tables()[table], cast("Any", None), lambda _: None, Identity("", {}))
    feed = target.feed(SinkSettings.load(k2_prefix="t."), NAMES)
    assert [NAMES.topic(name) for name in MEASURED[feed.group]] == feed.topics


@pytest.mark.parametrize("table", contracts.warm_tables())
def test_a_table_of_the_warm_tier_is_measured(table: str) -> None:
    """As those of the lake."""
    target = WarmTable(contracts.warm_tables()[table], lambda _: None, Identity("", {}), shell().topics)
    feed = target.feed(WarmSinkSettings.load(k2_prefix="t."), NAMES)
    assert [NAMES.topic(name) for name in MEASURED[feed.group]] == feed.topics


def test_nobody_else_is_measured() -> None:
    """A group that no service reads by would lag for ever."""
    assert len(MEASURED) == len(agents()) + len(contracts.tables()) + len(contracts.warm_tables())
