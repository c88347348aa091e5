"""The recovery of an input partition: after the fence, its committed offset and the state that belongs to it."""

from dataclasses import dataclass

from aiokafka import TopicPartition

from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.logs import logger
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_range
from k2_shared.kafka.resumption import Committed, committed, holds
from k2_shared.kafka.topics import DLQ
from k2_shared.stages.context import LoopContext
from k2_shared.stages.failpoints import Failpoint
from k2_shared.stages.processor import Processor

RESTORED = "state_restored"


@dataclass(frozen=True, slots=True)
class Recovered:
    """A processor that knows all that was committed before ``position``, the next offset to read.

    ``note`` is the committed offset's metadata, ``stamped`` the output's offset up to which the checkpoints cover it.
    """

    processor: Processor
    position: int
    note: str
    stamped: int = 0


async def recover(context: LoopContext, at: TopicPartition) -> Recovered:
    """Go to the last committed offset, whatever was prefetched before the fence, and restore the state.

    Called by a partition's loop between the fence and its first fetch. Waits for the broker, and for a transaction of
    another owner that is open in the output, until the broker ends it.

    Raises:
        KafkaError, Unavailable: the broker cannot say, or has forgotten an offset: see .github/decisions/0004.
        Halt: the topics do not hold what the checkpoints are about.
    """
    found = await committed(context.admin, context.group, at)
    found.check(context.committed.get(at, 0), "this process committed")
    if found.offset is None and await _was_read(context, at):
        raise found.doubt("records that were written from it stand in the outputs")
    position = (await offset_range(context.broker, at)).start if found.offset is None else found.offset
    context.reader.seek(at, position)
    processor = context.make_processor(at)
    context.limits.failpoints.reach(Failpoint.DURING_RECOVERY)
    stamped = await _restore(context, at, processor, found)
    return Recovered(processor, position, found.metadata, stamped)


async def _was_read(context: LoopContext, at: TopicPartition) -> bool:
    """Whether the output that the input alone fills holds a record, or a dead letter is about it."""
    letters = context.beside(at, DLQ)
    exclusive = context.pipeline.exclusive_outputs.get(context.names.contract(at.topic).name)
    if exclusive:
        output = context.beside(at, exclusive)
        if await holds(context.settings, output, await offset_range(context.broker, output)):
            return True
    source = (f"{PREFIX}topic", at.topic.encode())
    there = await offset_range(context.broker, letters)
    return await holds(context.settings, letters, there, lambda record: source in record.headers)


async def _restore(context: LoopContext, at: TopicPartition, processor: Processor, found: Committed) -> int:
    """Load the checkpoints, then what the output holds behind them; returns where in the output the checkpoints end."""
    topics = context.pipeline.state
    if not topics:
        return 0
    checkpoints, output = context.beside(at, topics.checkpoints), context.beside(at, topics.output)
    end = (await offset_range(context.broker, checkpoints)).stop
    stamp = processor.load(await clients.latest(context.settings, checkpoints, end))
    found.check(stamp.input, "the checkpoint was written at")
    end = (await offset_range(context.broker, output)).stop
    async for batch in clients.replay(context.settings, output, stamp.output, end):
        await context.learn(at, batch)
        processor.restore(batch)
    say_state(RESTORED, at, processor)
    return stamp.output


def say_state(event: str, at: TopicPartition, processor: Processor) -> None:
    """Log that a state was restored or released, with its size in ids and its hash."""
    logger().info(event, topic=at.topic, partition=at.partition, ids=processor.size().ids, digest=processor.digest())
