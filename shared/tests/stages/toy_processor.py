"""A toy processor and its agent, for the tests of the exactly-once loop."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.metrics import Metrics
from k2_shared.core.records import ByTopic, Outgoing, RecordBatch, WrittenOffsets, by_topic
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.group_reader import GroupReader
from k2_shared.kafka.topics import BRONZE, DLQ, SILVER, STATE, Names
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.processor import Latest, Outcome, Pipeline, Processor, ProcessorFactory, Stamp, StateTopics
from k2_shared.stages.transactions import TransactionalAgent
from k2_support.topics import read, values, write
from k2_support.waiting import eventually

IN, OUT = BRONZE.format(exchange="kraken"), SILVER.format(exchange="kraken")
P = 3
TOPICS = pytest.mark.topics(IN, OUT, DLQ, STATE)
KEPT = StateTopics(checkpoints=STATE, output=OUT)
REFUSER = Refuser("silver", "toy")


class Toy(Processor):
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

    def restore(self, batch: RecordBatch) -> None:
        self._note("restore " + " ".join((record.value or b"").decode() for record in batch))

    def process(self, batch: RecordBatch) -> Outcome:
        self._note("process " + " ".join((record.value or b"").decode() for record in batch))
        if any(record.value == b"broken" for record in batch):
            raise ZeroDivisionError
        self._late = [record for record in batch if record.value == b"late"]
        out = [self._one(record) for record in batch if record.value not in (b"twice", b"lost", b"late")]
        duplicates = sum(record.value == b"twice" for record in batch)
        refused = [row for row, record in enumerate(batch) if record.value in (b"bad", b"late")]
        return Outcome(by_topic(out), {"bad": len(refused)}, refused, duplicates)

    def _one(self, record: Any) -> Outgoing:
        if record.value == b"bad":
            return REFUSER.refuse(record, InvalidRecord("bad", "it says so"))
        return Outgoing(OUT, record.key, record.value, record.timestamp, record.headers)

    def accept(self, offsets: Mapping[str, WrittenOffsets]) -> ByTopic:
        self._note("accept " + " ".join(map(str, offsets.get(OUT, ()))))
        error = InvalidRecord("bad", "it came late")
        return {DLQ: [REFUSER.refuse(record, error, winner=str(offsets[OUT][0])) for record in self._late]}

    def checkpoint(self, stamp: Stamp) -> ByTopic:
        self._note(f"checkpoint {stamp.input}")
        return {STATE: [Outgoing(STATE, b"toy", b"%d %d" % (stamp.input, stamp.output), 1, ())]}


class Run:
    """A toy agent under test and what its processor was asked."""

    def __init__(self, settings: RunSettings, names: Names) -> None:
        self.settings, self.names, self.asked = settings, names, []
        self.asked: list[str] = []
        self.service = "toy"
        self.metrics = Metrics("toy", "0")
        self.at = TopicPartition(names.topic(IN), P)

    @asynccontextmanager
    async def agent(self, state: StateTopics | None = None, **limits: Any) -> AsyncIterator[TransactionalAgent]:
        async def processors() -> ProcessorFactory:
            return lambda at: Toy(at, self.asked)

        pipeline = Pipeline(
            self.service, (IN,), (OUT, DLQ), processors, state, exclusive_outputs={} if state else {IN: OUT}
        )
        limits = {"poll_ms": 20, "backoff_s": 0.01, "checkpoint_s": 3600, **limits}
        agent = TransactionalAgent(self.settings, self.names, pipeline, self.metrics, AgentLimits(**limits))
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

    async def moved_to(self, offset: int) -> None:
        """Wait until the group stands there: of a transaction, each partition's end is written at its own time."""

        async def there() -> bool:
            return await self.committed() == offset

        await eventually(there, f"the group at {offset}")

    async def committed(self) -> int | None:
        reader = clients.consumer(self.settings, group=self.names.group("toy"))
        async with clients.started(reader, self.settings):
            found: int | None = await reader.committed(self.at)
            return found


def works(agent: TransactionalAgent) -> bool:
    """Whether an agent has partitions and works on each of them."""
    return bool(agent.partitions) and not agent.not_ready()


def group_members(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The consumers in a group that are made from now on, as they are made: aiokafka's own."""
    make, made = clients.consumer, list[Any]()

    def consumer(settings: RunSettings, *, group: str | None = None, **options: Any) -> Any:
        found = make(settings, group=group, **options)
        if group:
            made.append(found)
        return found

    monkeypatch.setattr(clients, "consumer", consumer)
    return made


def polls(monkeypatch: pytest.MonkeyPatch) -> Counter[TopicPartition]:
    """How many polls of each partition have been answered from now on, with records or without."""
    made, read = Counter[TopicPartition](), GroupReader.read

    async def counted(reader: GroupReader, at: TopicPartition, *limits: int) -> RecordBatch:
        found = await read(reader, at, *limits)
        made[at] += 1
        return found

    monkeypatch.setattr(GroupReader, "read", counted)
    return made


Hook = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


def fail_once(monkeypatch: pytest.MonkeyPatch, method: str, hook: Hook) -> None:
    """Wrap one method of the first transaction's producer; ``hook`` gets the real call."""
    make, armed = clients.producer, [True]

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

    monkeypatch.setattr(clients, "producer", producer)
