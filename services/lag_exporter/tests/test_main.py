"""The lag exporter on the real stack, as a process."""

from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, GOLD, SILVER, Names, administration
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.topics import write
from k2_support.waiting import eventually

TOPIC = BRONZE.format(exchange="kraken")
SECOND = SILVER.format(exchange="kraken")


class Exporter:
    """A lag exporter that measures again and again, and what it says of one group."""

    def __init__(self, agents: Agents, names: Names) -> None:
        self.child: Child = agents.start("lag_exporter", LAG_INTERVAL_S="0.2").wait_ready()
        self._names = names

    def page(self) -> str:
        """Its metrics."""
        self.child.check()
        with urlopen(f"http://127.0.0.1:{self.child.web_port}/metrics", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    def gauge(self, name: str, group: str, topic: str = TOPIC, partition: int = 1) -> float | None:
        """A gauge of a group's partition, None where it is not told."""
        families = text_string_to_metric_families(self.page())
        labels = {"group": self._names.group(group), "topic": self._names.topic(topic), "partition": str(partition)}
        found = (s for family in families for s in family.samples if s.name == f"k2_consumer_group_{name}")
        return next((s.value for s in found if s.labels.items() <= labels.items()), None)

    async def says(self, lag: int, offset: int, group: str = "silver", **where: Any) -> None:
        """Wait until it has measured so much."""

        def measured() -> bool:
            return (self.gauge("lag", group, **where), self.gauge("offset", group, **where)) == (lag, offset)

        await eventually(measured, f"a lag of {lag} and the offset {offset} of {group}", 60)


async def commit(settings: RunSettings, names: Names, offset: int, group: str = "silver", topic: str = TOPIC) -> None:
    """Commit for a group, as nobody that is a member."""
    at = TopicPartition(names.topic(topic), 1)
    async with clients.started(clients.consumer(settings, group=names.group(group)), settings) as member:
        member.assign([at])
        await member.commit({at: offset})


async def transact(settings: RunSettings, names: Names, topic: str, *, commits: bool, records: int = 1) -> None:
    """One transaction on the partition."""
    sender: AIOKafkaProducer = clients.producer(settings, transactional_id=f"{names.prefix}lag-test")
    async with clients.started(sender, settings):
        await sender.begin_transaction()
        for _ in range(records):
            await sender.send_and_wait(names.topic(topic), b"v", b"k", partition=1)
        await (sender.commit_transaction() if commits else sender.abort_transaction())


def records(count: int) -> list[Outgoing]:
    return [Outgoing(TOPIC, b"k", b"v", 1_762_795_434_000, ()) for _ in range(count)]


async def test_it_measures_a_group_of_which_no_process_runs(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """All is unread without an offset; what was committed is not, and what comes then is."""
    await write(run_settings, names, records(5), partition=1)
    exporter = Exporter(agents, names)
    await exporter.says(lag=5, offset=-1)
    await commit(run_settings, names, 3)
    await exporter.says(lag=2, offset=3)
    await write(run_settings, names, records(4), partition=1)
    await exporter.says(lag=6, offset=3)
    await commit(run_settings, names, 9)
    await exporter.says(lag=0, offset=9)
    assert exporter.gauge("lag", "gold", SECOND) == 0
    assert exporter.gauge("lag", "iceberg_sink.gold_crypto_trades", GOLD) == 0
    assert (exporter.gauge("measured_timestamp_seconds", "silver") or 0) > 1.7e9
    assert "\nk2_ready 1.0\n" in exporter.page()
    assert "\nk2_broker_up 1.0\n" in exporter.page()
    assert "\nprocess_start_time_seconds 1." in exporter.page()
    assert exporter.child.stop() == 0


async def test_ends_of_transactions_and_aborted_records_are_no_lag(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """They are offsets that nobody can read; a record behind them is lag again."""
    await transact(run_settings, names, SECOND, commits=True)
    exporter = Exporter(agents, names)
    await commit(run_settings, names, 1, "gold", SECOND)
    await exporter.says(lag=0, offset=1, group="gold", topic=SECOND)
    await transact(run_settings, names, SECOND, commits=False, records=3)
    await exporter.says(lag=0, offset=1, group="gold", topic=SECOND)
    await transact(run_settings, names, SECOND, commits=True)
    await exporter.says(lag=7, offset=1, group="gold", topic=SECOND)


async def test_an_open_transaction_is_the_end(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """What stands behind its first record cannot be read by anybody, so it is nobody's lag."""
    await write(run_settings, names, records(2), partition=1)
    await commit(run_settings, names, 1)
    sender = clients.producer(run_settings, transactional_id=f"{names.prefix}open")
    async with clients.started(sender, run_settings):
        await sender.begin_transaction()
        await sender.send_and_wait(names.topic(TOPIC), b"v", b"k", partition=1)
        await write(run_settings, names, records(4), partition=1)
        exporter = Exporter(agents, names)
        await exporter.says(lag=1, offset=1)
        await sender.commit_transaction()
    await exporter.says(lag=7, offset=1)


@pytest.mark.long
async def test_a_topic_that_goes_away_leaves_the_other_groups_measured(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """It is not ready, names the topic and the groups, and their times grow old."""
    exporter = Exporter(agents, names)
    async with administration(run_settings) as admin:
        await admin.delete_topics([names.topic(SECOND)])
    deleted = f"topic {names.topic(SECOND)} was deleted"
    await eventually(lambda: any(deleted in line for line in exporter.child.missing()), "the topic that is gone", 60)
    gold = names.group("gold")
    await eventually(lambda: any(gold in line for line in exporter.child.missing()), "the group that is missing", 90)
    stamp = exporter.gauge("measured_timestamp_seconds", "silver") or 0
    await eventually(lambda: (exporter.gauge("measured_timestamp_seconds", "silver") or 0) > stamp, "silver's next", 60)
    assert f'k2_topic_unread_partitions{{topic="{names.topic(SECOND)}"}} 0.0' in exporter.page()
    assert not any(names.group("silver") in line for line in exporter.child.missing())
    assert "\nk2_ready 0.0\n" in exporter.page()
    await eventually(lambda: "group_lag_unknown" in exporter.child.log.read_text(), "its word", 90)
    assert exporter.child.stop() == 0


async def test_a_missing_topic_ends_it_with_2(agents: Agents) -> None:
    """It names the topic and what creates it."""
    child = agents.start("lag_exporter")
    await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 2
    assert "does not exist" in child.log_tail(1)
    assert "run 'k2 init'" in child.log_tail(1)
