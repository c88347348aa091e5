"""The exactly-once loop on the real broker, with a toy stage."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError

from k2_shared import kafka
from k2_shared.breaker import Threshold
from k2_shared.dlq import Refuser
from k2_shared.errors import ConfigError, Halt, InvalidRecord, Unavailable
from k2_shared.records import Batch, ByTopic, Offsets, Outgoing, by_topic
from k2_shared.settings import RunSettings
from k2_shared.stage import Latest, Outcome, Pipeline, Stage, StageFactory, Stamp, StateTopics
from k2_shared.telemetry import Metrics
from k2_shared.testing.topics import read, values, write
from k2_shared.testing.waiting import eventually
from k2_shared.topics import BRONZE, DLQ, SILVER, STATE, Names, administration, partition_for
from k2_shared.transactions import Limits, TransactionalAgent

IN, OUT = BRONZE.format(exchange="kraken"), SILVER.format(exchange="kraken")
P = 3
KEPT = StateTopics(checkpoints=STATE, output=OUT)
REFUSER = Refuser("silver", "toy")

pytestmark = pytest.mark.usefixtures("topics")


class Toy(Stage):
    """Forwards; refuses ``bad``, drops ``twice``, loses ``lost``, fails on ``broken``; says what was asked of it.

    Its state is the last value written, in a checkpoint's record under its name; ``late`` letters wait for offsets.
    """

    def __init__(self, at: TopicPartition, asked: list[str]) -> None:
        self._here = at.partition == P
        self._asked = asked
        self._late: list[Any] = []

    def _note(self, what: str) -> None:
        if self._here:
            self._asked.append(what)

    def load(self, latest: Latest) -> Stamp:
        self._note(f"load {len(latest)}")
        stamped, _, output = latest.get(b"toy", b"0 0").partition(b" ")
        return Stamp(int(stamped), int(output))

    def restore(self, batch: Batch) -> None:
        self._note("restore " + " ".join((record.value or b"").decode() for record in batch))

    def process(self, batch: Batch) -> Outcome:
        self._note("process " + " ".join((record.value or b"").decode() for record in batch))
        if any(record.value == b"broken" for record in batch):
            raise ZeroDivisionError
        self._late = [record for record in batch if record.value == b"late"]
        out = [self._one(record) for record in batch if record.value not in (b"twice", b"lost", b"late")]
        duplicates = sum(record.value == b"twice" for record in batch)
        return Outcome(by_topic(out), {"bad": sum(record.value in (b"bad", b"late") for record in batch)}, duplicates)

    def _one(self, record: Any) -> Outgoing:
        if record.value == b"bad":
            return REFUSER.refuse(record, InvalidRecord("bad", "it says so"))
        return Outgoing(OUT, record.key, record.value, record.timestamp, record.headers)

    def accept(self, offsets: Mapping[str, Offsets]) -> ByTopic:
        self._note("accept " + " ".join(map(str, offsets.get(OUT, ()))))
        error = InvalidRecord("bad", "it came late")
        return {DLQ: [REFUSER.refuse(record, error, winner=str(offsets[OUT][0])) for record in self._late]}

    def checkpoint(self, stamp: Stamp) -> ByTopic:
        self._note(f"checkpoint {stamp.input}")
        return {STATE: [Outgoing(STATE, b"toy", b"%d %d" % (stamp.input, stamp.output), 1, ())]}


class Run:
    """A toy agent under test and what its stage was asked."""

    def __init__(self, settings: RunSettings, names: Names) -> None:
        self.settings, self.names, self.asked = settings, names, []
        self.asked: list[str] = []
        self.service = "toy"
        self.metrics = Metrics("toy", "0")
        self.at = TopicPartition(names.topic(IN), P)

    @asynccontextmanager
    async def agent(self, state: StateTopics | None = None, **limits: Any) -> AsyncIterator[TransactionalAgent]:
        async def stages() -> StageFactory:
            return lambda at: Toy(at, self.asked)

        pipeline = Pipeline(self.service, (IN,), (OUT, DLQ), stages, state, sole={} if state else {IN: OUT})
        limits = {"poll_ms": 20, "backoff_s": 0.01, "checkpoint_s": 3600, **limits}
        agent = TransactionalAgent(self.settings, self.names, pipeline, self.metrics, Limits(**limits))
        await agent.start()
        try:
            yield agent
        finally:
            await agent.stop()

    async def write(self, *given: bytes, partition: int = P) -> list[Outgoing]:
        records = [Outgoing(IN, b"KRAKEN:X", value, 1_700_000_000_000, (("h", value),)) for value in given]
        await write(self.settings, self.names, records, partition)
        return records

    async def read(self, topic: str = OUT, *, committed: bool = True) -> list[bytes | None]:
        return values(await read(self.settings, self.names, topic, committed=committed))

    async def wrote(self, count: int, topic: str = OUT) -> None:
        async def there() -> bool:
            return len(await self.read(topic)) >= count

        await eventually(there, f"{count} records in {topic}")

    async def committed(self) -> int | None:
        reader = kafka.consumer(self.settings, group=self.names.group("toy"))
        async with kafka.started(reader, self.settings):
            found: int | None = await reader.committed(self.at)
            return found


@pytest.fixture
def run(run_settings: RunSettings, names: Names) -> Run:
    return Run(run_settings, names)


async def test_outputs_and_offsets_commit_together(run: Run) -> None:
    """Each record is written on, refused or a duplicate, byte for byte, and the group has moved past all of them."""
    sent = await run.write(b"a", b"bad", b"twice", b"b")
    async with run.agent() as agent:
        await run.wrote(2)
        await eventually(lambda: not agent.not_ready(), "readiness")
    good, bad = await read(run.settings, run.names, OUT), await read(run.settings, run.names, DLQ)
    expected = [(P, r.key, r.value, r.timestamp, r.headers) for r in (sent[0], sent[3])]
    assert [(r.partition, r.key, r.value, r.timestamp, r.headers) for r in good] == expected
    assert [(r.partition, r.value) for r in bad] == [(P, b"bad")]
    assert await run.committed() == 4
    counted = run.metrics.registry.get_sample_value
    assert counted("k2_records_received_total", {"topic": run.at.topic}) == 4
    assert counted("k2_records_sent_total", {"topic": OUT}) == 2
    assert counted("k2_records_rejected_total", {"reason": "bad"}) == 1
    assert counted("k2_records_duplicates_total") == 1


Hook = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


def fail_once(monkeypatch: pytest.MonkeyPatch, method: str, hook: Hook) -> None:
    """Wrap one method of the first transaction's producer; ``hook`` gets the real call."""
    make, armed = kafka.producer, [True]

    def producer(settings: RunSettings, *, transactional_id: str | None = None) -> Any:
        made = make(settings, transactional_id=transactional_id)
        real = getattr(made, method)

        async def wrapped(*args: Any) -> None:
            if armed:
                armed.clear()
                await hook(lambda: real(*args))
            else:
                await real(*args)

        if transactional_id:
            setattr(made, method, wrapped)
        return made

    monkeypatch.setattr(kafka, "producer", producer)


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
    assert await run.committed() == 2
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


async def test_a_second_owner_fences_the_first_which_halts(run: Run) -> None:
    """The first owner writes nothing more and says by whom it was stopped; the new owner's records stand."""
    async with run.agent() as first:
        await run.write(b"a")
        await run.wrote(1)
        second = kafka.producer(run.settings, transactional_id=first.transactional_id(run.at))
        async with kafka.started(second, run.settings):
            await run.write(b"late")
            await eventually(lambda: first.crash_reason, "the fenced owner's end")
            await second.begin_transaction()
            await kafka.send_all(second, run.names, P, {OUT: [Outgoing(OUT, b"k", b"second", 1, ())]})
            await second.commit_transaction()
        assert isinstance(first.crash_reason, Halt)
        assert f"{first.transactional_id(run.at)} was fenced by another owner" in str(first.crash_reason)
    assert await run.read() == [b"a", b"second"]
    assert await run.committed() == 1


async def test_an_outcome_that_does_not_add_up_halts(run: Run) -> None:
    """A stage that loses a record stops the partition before anything is written; the text says where."""
    await run.write(b"a", b"lost", b"twice")
    async with run.agent() as agent:
        await eventually(lambda: agent.crash_reason, "the halt")
        assert isinstance(agent.crash_reason, Halt)
        assert "3 records read, 1 to write, 0 refused and 1 duplicates do not add up" in str(agent.crash_reason)
    assert await run.read(committed=False) == []
    assert await run.committed() is None


async def test_a_stage_that_fails_ends_the_agent(run: Run) -> None:
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

    monkeypatch.setattr(kafka, "replay", replay)
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


async def test_a_new_owner_restores_before_it_reads_and_goes_on_where_the_last_ended(run: Run) -> None:
    """State comes from what was committed, then come the records behind the committed offset, once."""
    await run.write(b"a", b"b")
    async with run.agent(KEPT):
        await run.wrote(2)
    await run.write(b"c")
    async with run.agent(KEPT):
        await run.wrote(3)
    first, then = ["load 0", "process a b", "accept 0 1"], ["load 0", "restore a b", "process c", "accept 3"]
    assert run.asked == first + then
    assert await run.read() == [b"a", b"b", b"c"]


async def test_two_owners_share_the_partitions_and_write_each_record_once(run: Run) -> None:
    """While the second joins and the first leaves, every record is written exactly once, and no loop is waited out."""
    async with run.agent(revoke_timeout_s=300) as first:
        await run.write(b"a")
        await run.wrote(1)
        async with run.agent() as second:
            await eventually(lambda: not second.not_ready() and second._loops, "the second owner's partitions")
            for partition in range(12):
                await run.write(b"b%d" % partition, partition=partition)
            await run.wrote(13)
            assert first._loops
            assert not set(first._loops) & set(second._loops)
            await first.stop()
            await eventually(lambda: len(second._loops) == 12 and not second.not_ready(), "all partitions")
            await run.write(b"c")
            await run.wrote(14)
    assert sorted(value or b"" for value in await run.read()) == sorted(
        [b"a", b"c", *(b"b%d" % partition for partition in range(12))]
    )


async def test_an_agent_does_not_start_without_its_topics(run: Run) -> None:
    """What is missing is named before anything is consumed."""
    foreign = Run(run.settings, Names(f"other-{run.names.prefix}"))
    with pytest.raises(ConfigError, match="does not exist"):
        async with foreign.agent():
            pytest.fail("it started")


async def test_a_checkpoint_stands_with_the_records_that_it_covers(run: Run) -> None:
    """A due checkpoint is committed with its transaction; the next owner restores only what came after it."""
    await run.write(b"a", b"b")
    saved = "k2_checkpoint_timestamp_seconds", {"topic": run.at.topic, "partition": str(P)}
    async with run.agent(KEPT, checkpoint_s=0.001):
        await run.wrote(2)
        await eventually(lambda: run.metrics.registry.get_sample_value(*saved), "the checkpoint's time")
    assert run.metrics.registry.get_sample_value(*saved) is None, "somebody else may own the partition now"
    await run.write(b"c")
    async with run.agent(KEPT):
        await run.wrote(3)
    run.asked.clear()
    async with run.agent(KEPT) as agent:
        await eventually(lambda: agent._loops and not agent.not_ready(), "readiness")
    assert run.asked == ["load 1", "restore c"]
    (checkpoint,) = await read(run.settings, run.names, STATE)
    assert (checkpoint.partition, checkpoint.value) == (P, b"2 2")


async def test_an_idle_partition_follows_an_output_that_others_write(run: Run) -> None:
    """It opens a transaction only when others have written much behind its stamp, and then once."""
    await write(run.settings, run.names, [Outgoing(OUT, b"k", b"theirs", 1, ())] * 50, P)
    async with run.agent(KEPT, checkpoint_s=0.001, idle_checkpoint_records=50):

        async def stamped() -> bool:
            return bool(await run.read(STATE))

        await eventually(stamped, "the idle partition's checkpoint")
        await asyncio.sleep(0.3)
    assert await run.read(STATE) == [b"0 50"]
    assert run.asked[-1] == "checkpoint 0"


async def test_an_idle_partition_opens_no_transaction(run: Run) -> None:
    """Without a record to process nothing is written, aborted or committed."""
    async with run.agent(KEPT, checkpoint_s=0.001) as agent:
        await eventually(lambda: agent._loops and not agent.not_ready(), "readiness")
        await asyncio.sleep(0.3)
    assert await run.read(STATE, committed=False) == []
    assert await run.committed() is None


async def test_a_letter_may_wait_for_the_offsets_of_its_batch(run: Run) -> None:
    """What names a record of its own transaction is written after it, in the same transaction."""
    await run.write(b"a", b"late")
    async with run.agent():
        await run.wrote(1, DLQ)
    (letter,) = await read(run.settings, run.names, DLQ)
    assert dict(letter.headers)["k2-dlq-winner"] == b"0"
    assert await run.committed() == 2


async def test_a_state_that_knows_more_than_the_output_holds_halts(run: Run) -> None:
    """An output that was created anew under its checkpoints is not taken for an empty one."""
    await write(run.settings, run.names, [Outgoing(STATE, b"toy", b"0 7", 1, ())], P)
    async with run.agent(KEPT) as agent:
        await eventually(lambda: agent.crash_reason, "the halt")
        assert isinstance(agent.crash_reason, Halt)
        assert "holds 0 to 0, and is to be read from 7" in str(agent.crash_reason)


async def test_too_many_refusals_halt_until_resumed(run: Run) -> None:
    """The batch that trips the breaker is not written; resumed, it goes through, and counting starts anew."""
    threshold = Threshold(records=10, share=0.5)
    await run.write(*[b"bad"] * 6, *[b"a"] * 4)
    async with run.agent(threshold=threshold) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
        (missing,) = agent.not_ready()
        assert missing.startswith(f"halted: {run.at.topic}[{P}]: 6 of the last 10 records were refused")
        await run.write(b"other", partition=P + 1)
        await asyncio.sleep(0.3)
        assert await run.read(committed=False) == []
        assert run.metrics.registry.get_sample_value("k2_halted") == 1
        assert agent.breaker.resume()
        await run.wrote(5)
        assert run.metrics.registry.get_sample_value("k2_halted") == 0
        assert len(await run.read(DLQ)) == 6
        await run.write(*[b"bad"] * 6)
        await run.wrote(12, DLQ)
        await run.write(*[b"bad"] * 6)
        await eventually(lambda: agent.breaker.reason, "the next halt")
    assert len(await run.read(DLQ)) == 12


async def test_a_halted_agent_stops_at_once(run: Run) -> None:
    """Waiting for an operator does not hold up a shutdown or a rebalance."""
    await run.write(*[b"bad"] * 10)
    async with run.agent(threshold=Threshold(records=10)) as agent:
        await eventually(lambda: agent.breaker.reason, "the halt")
    assert await run.read(DLQ, committed=False) == []


async def test_a_restarted_process_has_its_partitions_back_at_once(run: Run) -> None:
    """Under its own name in the group, one that vanished without a word is replaced before its session ends."""
    await run.write(b"a")
    gone = kafka.consumer(run.settings, group=run.names.group("toy"), instance="toy-1")
    await gone.start()
    gone.subscribe([run.names.topic(IN)])
    with suppress(NoOffsetForPartitionError):  # it has joined when it looks for its offsets
        await gone.getmany(timeout_ms=5_000)
    await gone._coordinator._stop_heartbeat_task()  # it lives, silent: nobody knows yet that it is gone
    async with run.agent(instance="toy-1", poll_ms=20) as agent:
        await eventually(lambda: agent._loops and not agent.not_ready(), "the partitions", timeout_s=8)
        await run.wrote(1)
    await gone.stop()


async def test_a_rebalance_in_the_middle_of_a_cycle_waits_for_its_commit(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner that is asked to give up commits what it has begun; the next one starts behind it."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(real: Callable[[], Awaitable[None]]) -> None:
        reached.set()
        await go.wait()
        await real()

    fail_once(monkeypatch, "commit_transaction", slow)
    await run.write(b"a")
    async with run.agent() as first:
        await asyncio.wait_for(reached.wait(), 60)
        owned = first._loops[run.at][0]
        async with run.agent() as second:
            await asyncio.wait_for(owned._stopping.wait(), 30)
            assert run.at not in second._loops
            assert await run.committed() is None
            go.set()
            await eventually(lambda: run.at in first._loops | second._loops, "the partition's next owner")
            await run.write(b"b")
            await run.wrote(2)
    assert await run.read(committed=False) == [b"a", b"b"]
    assert run.asked == ["process a", "accept 0", "process b", "accept 2"]


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


@pytest.mark.parametrize("value", [b"a", b"bad"])
async def test_a_broker_that_forgot_every_offset_is_not_believed(run: Run, value: bytes) -> None:
    """No committed offset, though records or letters were written with one: nothing is read again."""
    await run.write(value)
    async with run.agent():
        await run.wrote(1, OUT if value == b"a" else DLQ)
    run.service = "forgetful"
    async with run.agent(attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "has no or too old an offset (None)" in str(agent.crash_reason)
        assert "restart the broker in order" in str(agent.crash_reason)
    assert len(await run.read(committed=False)) + len(await run.read(DLQ, committed=False)) == 1


async def test_an_offset_before_the_checkpoint_is_not_believed(run: Run) -> None:
    """The checkpoint was committed together with a later one."""
    await write(run.settings, run.names, [Outgoing(STATE, b"toy", b"5 0", 1, ())], P)
    async with run.agent(KEPT, attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "the checkpoint was written at 5" in str(agent.crash_reason)


async def test_an_offset_before_our_own_is_not_believed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has committed it knows itself; it waits until the broker does again."""
    await run.write(b"a", b"b")
    async with run.agent() as agent:
        await run.wrote(2)
        at = {tp: offset for tp, offset in agent.committed.items() if tp == run.at}
        agent.committed[run.at] = 7

        async def fail(*_: Any) -> None:
            raise KafkaConnectionError("the test's")

        monkeypatch.setattr(agent._loops[run.at][0], "_transact", fail)
        await run.write(b"c")
        await eventually(lambda: agent._loops[run.at][0]._failures > 2, "the doubts")
        monkeypatch.undo()
        agent.committed.update(at)
        await run.wrote(3)
    assert await run.read(committed=False) == [b"a", b"b", b"c"]


async def test_records_that_are_gone_are_not_skipped(run: Run) -> None:
    """Where the next record was deleted before it was read the agent ends, and says so; it does not go on behind."""
    await run.write(b"a", b"b")
    async with run.agent():
        await run.wrote(2)
    await run.write(b"c", b"d")
    async with administration(run.settings) as admin:
        await admin.delete_records({run.at: RecordsToDelete(before_offset=3)})
    async with run.agent(attempts=2) as agent:
        await eventually(lambda: agent.crash_reason, "the end")
        assert isinstance(agent.crash_reason, Unavailable)
        assert "OffsetOutOfRange" in str(agent.crash_reason)
    assert await run.read() == [b"a", b"b"]
