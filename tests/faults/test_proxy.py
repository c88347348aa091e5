"""The proxy passes everything on, keeps clients behind it, and does to replies what it was told, with a real client."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from tests.faults.apis import APIS, END_TXN, FETCH, INIT_PRODUCER_ID, OFFSET_FETCH, PRODUCE
from tests.faults.proxy import Action, Proxy

from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, Names
from k2_support.topics import read
from k2_support.waiting import eventually

TOPIC = BRONZE.format(exchange="kraken")
TIMEOUT_MS = 2_000

pytestmark = [pytest.mark.usefixtures("topics"), pytest.mark.topics(TOPIC)]


@pytest.fixture
async def behind(run_settings: RunSettings, names: Names, proxy: Proxy) -> RunSettings:
    """Settings that know the broker only by the proxy, and do not wait long: the topic has its leaders already."""
    assert await read(run_settings, names, TOPIC) == []
    return run_settings.model_copy(
        update={"kafka_bootstrap_servers": proxy.address, "kafka_request_timeout_ms": TIMEOUT_MS}
    )


async def commit(settings: RunSettings, names: Names, value: bytes) -> None:
    fenced = clients.producer(settings, transactional_id=names.prefix)
    async with clients.started(fenced, settings) as sender, sender.transaction():
        await sender.send_and_wait(names.topic(TOPIC), value, partition=0)


async def committed(settings: RunSettings, names: Names, count: int = 1) -> list[bytes]:
    """The values, once there are so many: a commit's markers are written after its reply."""
    found: list[bytes] = []

    async def there() -> bool:
        found[:] = [record.value for record in await read(settings, names, TOPIC)]
        return len(found) >= count

    await eventually(there, f"{count} records")
    return found


async def test_a_broker_that_is_cut_off_cannot_be_reached(behind: RunSettings, names: Names, proxy: Proxy) -> None:
    """Who was connected is not any more; afterwards all is as before."""
    async with clients.started(clients.producer(behind), behind) as sender:
        await sender.send_and_wait(names.topic(TOPIC), b"before", partition=0)
        with proxy.cut():
            with pytest.raises(Unavailable):
                await read(behind, names, TOPIC)
            sent = await sender.send(names.topic(TOPIC), b"meanwhile", partition=0)
        await sent
    assert await committed(behind, names, 2) == [b"before", b"meanwhile"]


async def test_clients_stay_behind_it(behind: RunSettings, names: Names, proxy: Proxy) -> None:
    """Every request of a transaction and of reading it passes: metadata and coordinators name the proxy."""
    watched = {name: proxy.inject(api, "delay", times=99) for name, api in APIS.items()}
    await commit(behind, names, b"one")
    assert await committed(behind, names) == [b"one"]
    passed = {name for name, injection in watched.items() if injection.done}
    assert passed == {"InitProducerId", "AddPartitionsToTxn", "Produce", "EndTxn", "Fetch"}


@pytest.mark.parametrize("action", ["drop", "truncate", "delay"])
async def test_a_lost_reply_is_not_a_lost_record(
    behind: RunSettings, names: Names, proxy: Proxy, action: Action
) -> None:
    """The idempotent client asks again and the broker tells it apart; the proxy says what it did."""
    injection = proxy.inject(PRODUCE, action, delay_s=0.5)
    async with clients.started(clients.producer(behind), behind) as sender:
        for value in (b"one", b"two"):
            try:
                await sender.send_and_wait(names.topic(TOPIC), value, partition=0)
            except KafkaError:  # it may give up on the whole within its timeout, but not send twice
                continue
    assert (injection.done, injection.felt) == (1, 1)
    found = await committed(behind, names, count=2)
    assert found[0] == b"one"
    assert found.count(b"one") == found.count(b"two") == 1


async def test_a_loading_coordinator_looks_like_no_committed_offset(
    behind: RunSettings, names: Names, proxy: Proxy
) -> None:
    """The client overlooks the error of the group, so an agent must not take its word that nothing was committed."""
    at = TopicPartition(names.topic(TOPIC), 0)
    group = clients.consumer(behind, group=names.group("silver"))
    async with clients.started(group, behind):
        group.assign([at])
        group.seek(at, 0)  # else it asks for the committed offset by itself, and may be given the answer that is meant
        await group.commit({at: 5})
        injection = proxy.inject(OFFSET_FETCH, "loading")
        assert [await group.committed(at), await group.committed(at)] == [None, 5]
    assert injection.felt == 1


async def test_it_acts_as_often_as_it_was_told(behind: RunSettings, names: Names, proxy: Proxy) -> None:
    """Afterwards everything passes again."""
    injections = [proxy.inject(api, "truncate", times=2) for api in (FETCH, INIT_PRODUCER_ID, END_TXN)]
    await commit(behind, names, b"one")
    assert await committed(behind, names) == [b"one"]
    assert [injection.done for injection in injections] == [2, 2, 2]
