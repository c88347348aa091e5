"""The end of a round of faults: the pipeline drains, and every promise is checked."""

import signal
from collections import Counter
from collections.abc import Mapping

from aiokafka import TopicPartition
from tests.faults.observed import SILVERS, TOPICS, ObservedTopics
from tests.faults.offsets import INPUTS, committed, ends, partitions
from tests.faults.rig import Rig
from tests.faults.states import RELEASED, RESTORED, disagreements, latest
from tests.faults.supervisor import until, up
from tests.faults.verifier import Violation, World, verify

from k2_shared.core.errors import Unavailable
from k2_shared.kafka.topics import GOLD


async def check(rig: Rig) -> list[Violation]:
    """Let the pipeline drain, check every promise, and go on; what does not hold, or nothing.

    Raises:
        Unavailable: the pipeline does not drain.
    """
    await rig.oracle.pause()
    await rig.recover()
    await rig.oracle.note_late()
    await _drain(rig)
    world = World(rig.names, rig.oracle.log.deliveries, rig.observed.records)
    violations = [*verify(world), *await _restart_gold(rig), *rig.watch.violations]
    rig.oracle.resume()
    return violations


async def check_afresh(rig: Rig) -> list[Violation]:
    """Read everything again, from the start, and check it: what was once read has not changed."""
    await rig.oracle.pause()
    await _drain(rig)
    observed = ObservedTopics(rig.settings, rig.names, rig.observed.schema_id)
    await observed.read_on()
    return verify(World(rig.names, rig.oracle.log.deliveries, observed.records))


async def _drain(rig: Rig) -> None:
    """Wait until both groups have committed beyond every record that there is, and nothing more comes of it."""
    left: list[str] = []

    async def drained() -> bool:
        known = rig.observed.committed
        left[:] = [*await _behind(rig), *await _open(rig)]
        await rig.observed.read_on()
        return not left and rig.observed.committed == known

    try:
        await until(drained, "the drained pipeline")
    except Unavailable as error:
        raise Unavailable(f"{error}: {', '.join(left[:4])}") from None
    await rig.observed.count_uncommitted()


async def _behind(rig: Rig) -> list[str]:
    """The inputs that a group has not read to their last record."""
    groups = await committed(rig.settings, rig.names)
    last = {(r.at.topic, r.at.partition): r.at.offset for records in rig.observed.records.values() for r in records}
    return [
        f"{service} is at {groups[service].get(at, 0)} of {at.topic}[{at.partition}]"
        for service, topics in INPUTS.items()
        for at in partitions(rig.names, topics)
        if groups[service].get(at, 0) <= last.get((at.topic, at.partition), -1)
    ]


async def _open(rig: Rig) -> list[str]:
    """The partitions that hold records of an open transaction."""
    every = partitions(rig.names, TOPICS)
    stable = await ends(rig.settings, every, stable=True)
    written = await ends(rig.settings, every, stable=False)
    return [f"{at.topic}[{at.partition}] has an open transaction" for at in every if stable[at] < written[at]]


async def _restart_gold(rig: Rig) -> list[Violation]:
    """Nothing is written meanwhile, so each partition's state before and after must be one."""
    gold = rig.agents.of("gold")
    for agent in gold:
        await agent.end(signal.SIGTERM)
    released = latest((log for agent in gold for log in agent.logs()), RELEASED)
    await up(*rig.members("gold"))
    restored = latest((log for agent in gold for log in agent.logs()), RESTORED)
    return disagreements(released, restored, _ids(rig))


def _ids(rig: Rig) -> Mapping[TopicPartition, int]:
    """How many ids gold has of each of its input partitions."""
    counted = Counter(
        (rig.names.topic(_silver(record.facts.message_id)), record.at.partition)
        for record in rig.observed.records[GOLD]
    )
    return {at: counted[at.topic, at.partition] for at in partitions(rig.names, SILVERS)}


def _silver(message_id: str) -> str:
    """The silver topic that an id comes from."""
    return next(topic for topic in SILVERS if topic.endswith(message_id.partition(":")[0].lower()))
