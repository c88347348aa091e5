"""The exactly-once loop on the real broker: a transaction and its failures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from shared.tests.stages.toy_processor import IN, KEPT, OUT, TOPICS, P, Run, fail_once

from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.kafka import clients
from k2_shared.kafka.topics import DLQ, Names, partition_for
from k2_support.topics import read, write
from k2_support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("topics"), TOPICS]


async def test_outputs_and_offsets_commit_together(run: Run) -> None:
    """Each record is written on, refused or a duplicate, byte for byte, and the group has moved past all of them.

    Of what is written on to silver, which this output is, the broker takes the time.
    """
    sent = await run.write(b"a", b"bad", b"twice", b"b")
    async with run.agent() as agent:
        await run.wrote(2)
        await run.wrote(1, DLQ)
        await eventually(lambda: not agent.not_ready(), "readiness")
    good, bad = await read(run.settings, run.names, OUT), await read(run.settings, run.names, DLQ)
    expected = [(P, r.key, r.value, r.headers) for r in (sent[0], sent[3])]
    assert [(r.partition, r.key, r.value, r.headers) for r in good] == expected
    assert all(r.timestamp > sent[3].timestamp for r in good)
    assert [(r.partition, r.value, r.timestamp) for r in bad] == [(P, b"bad", sent[1].timestamp)]
    await run.moved_to(4)
    counted = run.metrics.registry.get_sample_value
    assert counted("k2_records_received_total", {"topic": run.at.topic}) == 4
    assert counted("k2_records_sent_total", {"topic": OUT}) == 2
    assert counted("k2_records_rejected_total", {"reason": "bad"}) == 1
    assert counted("k2_records_duplicates_total") == 1


@pytest.mark.parametrize("method", ["send_offsets_to_transaction", "commit_transaction"])
async def test_a_failure_before_the_commit_leaves_nothing_and_replays_exactly(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The written bytes were in the log, no committed reader saw them, and the second attempt writes them once."""
    seen: dict[str, Any] = {}

    async def fail(real: Callable[[], Awaitable[None]]) -> None:
        async def written() -> bool:
            return await run.read(committed=False) == [b"a", b"b"]

        await eventually(written, "the uncommitted records")
        seen["committed"] = await run.read()
        seen["offset"] = await run.committed()
        raise KafkaConnectionError("the test's")

    fail_once(monkeypatch, method, fail)
    await run.write(b"a", b"b")
    async with run.agent():
        await run.wrote(2)
    assert seen == {"committed": [], "offset": None}
    assert await run.read() == [b"a", b"b"]
    assert await run.read(committed=False) == [b"a", b"b"] * 2
    await run.moved_to(2)
    again = ["process a b", "accept 3 4"]
    assert run.asked == ["process a b", *(["accept 0 1"] if method == "commit_transaction" else []), *again]


async def test_a_commit_whose_reply_was_lost_is_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is read from the committed offset, so nothing is written twice."""

    async def lose(real: Callable[[], Awaitable[None]]) -> None:
        await real()
        raise KafkaConnectionError("the reply")

    fail_once(monkeypatch, "commit_transaction", lose)
    await run.write(b"a")
    async with run.agent():
        await run.wrote(1)
        await eventually(lambda: "accept 0" in run.asked, "the failure")
        await run.write(b"b")
        await run.wrote(2)
    assert await run.read(committed=False) == [b"a", b"b"]
    assert run.asked == ["process a", "accept 0", "process b", "accept 2"]


async def test_an_outcome_that_does_not_add_up_halts(run: Run) -> None:
    """A processor that loses a record stops the partition before anything is written; the text says where."""
    await run.write(b"a", b"lost", b"twice")
    async with run.agent() as agent:
        await eventually(lambda: agent.crash_reason, "the halt")
        assert isinstance(agent.crash_reason, Halt)
        assert "3 records read, 1 to write, 0 refused and 1 duplicates do not add up" in str(agent.crash_reason)
    assert await run.read(committed=False) == []
    assert await run.committed() is None


async def test_a_letter_that_the_dead_letter_topic_cannot_take_halts(run: Run) -> None:
    """A compressed input may hold a record that is larger than any letter; the text says which, and what to do."""
    sender = AIOKafkaProducer(**run.settings.client(), compression_type="gzip", max_request_size=4_000_000)
    async with clients.started(sender, run.settings):
        await sender.send_and_wait(run.at.topic, b"a", b"k", partition=P)
        await sender.send_and_wait(run.at.topic, b"bad", b"k", partition=P, headers=[("h", b"x" * 2_200_000)])
    async with run.agent() as agent:
        await eventually(lambda: agent.crash_reason, "the halt")
        assert isinstance(agent.crash_reason, Halt)
        said = str(agent.crash_reason)
        assert f"{run.names.topic(DLQ)}[{P}] does not take the record of {run.at.topic}[{P}]@1: it has 2200" in said
        assert "allowed are 2097152" in said
        assert f"raise max.message.bytes of {run.names.topic(DLQ)} above that" in said
    assert await run.read() == []
    assert await run.committed() is None


async def test_a_processor_that_fails_ends_the_agent(run: Run) -> None:
    """An error in the domain is not retried: the same records would fail again."""
    await run.write(b"broken")
    async with run.agent() as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, ZeroDivisionError)
    assert await run.committed() is None


async def test_failures_without_a_commit_between_are_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the allowed attempts the agent ends, for its supervisor to see."""

    async def replay(*_: Any) -> AsyncIterator[Any]:
        raise KafkaConnectionError("the test's")
        yield

    monkeypatch.setattr(clients, "replay", replay)
    async with run.agent(KEPT, attempts=3) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "3 failures, the last KafkaConnectionError" in str(agent.crash_reason)
        assert agent.not_ready()


async def test_order_per_key_is_kept(run: Run) -> None:
    """Records of a key leave in the order of their arrival, in the partition of their key, over many transactions."""
    keys = [f"KRAKEN:{symbol}/USD".encode() for symbol in ("BTC", "ETH", "SOL")]
    sent = [Outgoing(IN, keys[n % 3], b"%d" % n, 1_700_000_000_000, ()) for n in range(600)]
    for key in keys:
        of_key = [record for record in sent if record.key == key]
        await write(run.settings, run.names, of_key, partition_for(key, 12))
    async with run.agent(max_records=50):
        await run.wrote(len(sent))
    found = await read(run.settings, run.names, OUT)
    for key in keys:
        assert [(r.value, r.partition) for r in found if r.key == key] == [
            (r.value, partition_for(key, 12)) for r in sent if r.key == key
        ]


async def test_an_agent_does_not_start_without_its_topics(run: Run) -> None:
    """What is missing is named before anything is consumed."""
    foreign = Run(run.settings, Names(f"other-{run.names.prefix}"))
    with pytest.raises(ConfigError, match="does not exist"):
        async with foreign.agent():
            pytest.fail("it started")


async def test_a_letter_may_wait_for_the_offsets_of_its_batch(run: Run) -> None:
    """What names a record of its own transaction is written after it, in the same transaction."""
    await run.write(b"a", b"late")
    async with run.agent():
        await run.wrote(1, DLQ)
    (letter,) = await read(run.settings, run.names, DLQ)
    assert dict(letter.headers)["k2-dlq-winner"] == b"0"
    await run.moved_to(2)


async def test_a_producer_is_replaced_long_before_its_sequence_numbers_end(run: Run) -> None:
    """After so many records the loop begins at the fence again, and every record is written once."""
    async with run.agent(producer_records=2) as agent:
        for number in range(3):
            await run.write(b"a", b"b")
            await run.wrote(2 * (number + 1))
        await eventually(lambda: not agent.not_ready(), "readiness")
    assert await run.read(committed=False) == [b"a", b"b"] * 3
    assert (
        run.metrics.registry.get_sample_value("k2_errors_total", {"stage": "toy", "error_type": "KafkaError"}) is None
    )


async def test_a_transaction_that_outlasts_its_limit_starts_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not answer in time is not waited for: the loop fences itself and reads the outcome."""

    async def hang(real: Callable[[], Awaitable[None]]) -> None:
        await asyncio.Event().wait()

    fail_once(monkeypatch, "commit_transaction", hang)
    await run.write(b"a")
    async with run.agent(transaction_s=1.0):
        await run.wrote(1)
    assert await run.read(committed=False) == [b"a", b"a"]
    failed = run.metrics.registry.get_sample_value(
        "k2_transactions_total", {"topic": run.at.topic, "partition": str(P), "outcome": "failed"}
    )
    assert failed == 1
