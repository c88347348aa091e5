"""Torn transactions: a request that the network brings when its transaction is over, in the next one."""

from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka import AIOKafkaProducer
from shared.tests.stages.toy_processor import OUT, TOPICS, Run
from tests.faults.apis import APIS, END_TXN, IN_TRANSACTION, TXN_OFFSET_COMMIT
from tests.faults.proxy import Proxy

from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names
from k2_support.waiting import eventually

TIMEOUT_MS = 2_000

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]


@pytest.fixture
async def run(run_settings: RunSettings, names: Names) -> Run:
    """What a test writes and reads beside the proxy; the topics have their leaders already."""
    beside = Run(run_settings, names)
    assert await beside.read() == []
    return beside


@pytest.fixture
def behind(run: Run, proxy: Proxy) -> Run:
    """A toy agent that knows the broker only by the proxy, and does not wait long for it."""
    changed = {"kafka_bootstrap_servers": proxy.address, "kafka_request_timeout_ms": TIMEOUT_MS}
    return Run(run.settings.model_copy(update=changed), run.names)


def owner(run: Run) -> AbstractAsyncContextManager[AIOKafkaProducer]:
    """A producer of one transactional id, as aiokafka makes it; starting it ends what an older one left open."""
    return clients.started(clients.producer(run.settings, transactional_id=run.names.prefix), run.settings)


async def transact(run: Run, sender: AIOKafkaProducer, number: int) -> None:
    """One output and the offset behind it, committed."""
    await begin(run, sender, number)
    await move(run, sender, number)
    await sender.commit_transaction()


async def begin(run: Run, sender: AIOKafkaProducer, number: int) -> None:
    await sender.begin_transaction()
    await sender.send_and_wait(run.names.topic(OUT), b"%d" % number, partition=0)


async def move(run: Run, sender: AIOKafkaProducer, number: int) -> None:
    await sender.send_offsets_to_transaction({run.at: number}, run.names.group("toy"))


async def test_an_old_offset_enters_the_next_transaction_of_an_epoch(run: Run, behind: Run, proxy: Proxy) -> None:
    """Kafka's old protocol: outputs are committed beside the offset of the transaction before."""
    async with owner(behind) as sender:
        held = proxy.hold(TXN_OFFSET_COMMIT)
        await transact(run, sender, 1)
        await begin(run, sender, 2)
        await move(run, sender, 2)
        assert await held.release() == []
        await sender.commit_transaction()
    await run.wrote(2)
    await run.moved_to(1)


async def test_an_old_end_commits_half_of_the_next_transaction_of_an_epoch(run: Run, behind: Run, proxy: Proxy) -> None:
    """Kafka's old protocol: an output is committed without its offset, for good where the producer dies then."""
    async with owner(behind) as sender:
        held = proxy.hold(END_TXN)
        await transact(run, sender, 1)
        await begin(run, sender, 2)
        assert await held.release() == []
        async with owner(run):
            await run.wrote(2)
            await run.moved_to(1)


CASES = [
    *((api, "EndTxn", False) for api in IN_TRANSACTION),
    ("EndTxn", "TxnOffsetCommit", False),
    ("TxnOffsetCommit", "EndTxn", True),
]


@pytest.mark.parametrize(("api", "before", "quiet"), CASES)
async def test_an_agent_lets_no_old_request_into_a_transaction(
    run: Run, behind: Run, proxy: Proxy, api: str, before: str, quiet: bool
) -> None:
    """After a request without an answer it takes a new epoch, where the broker refuses that request."""
    held = proxy.hold(APIS[api], APIS[before], quiet=quiet)
    async with behind.agent():
        for number, value in enumerate((b"a", b"b"), start=1):
            await run.write(value)
            await run.wrote(number)
        await eventually(lambda: held.released, "the held request at the broker")
    proxy.clear()
    async with behind.agent():
        await run.write(b"c")
        await run.moved_to(3)
    assert await run.read() == [b"a", b"b", b"c"]
    assert (held.renewed, held.answer) == (True, ["InvalidProducerEpoch"])
