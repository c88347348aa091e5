"""Topics by contract: their names in a run, their creation, and the check before an agent starts."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from k2_shared.core import contracts
from k2_shared.core.contracts import TopicContract
from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.trade import Exchange
from k2_shared.kafka import admission, codecs
from k2_shared.kafka.registry import SchemaRegistry

RAW = "market.crypto.trades.{exchange}.raw"
BRONZE = "market.crypto.trades.{exchange}"
SILVER = "market.crypto.trades.silver.{exchange}"
GOLD = "market.crypto.trades.gold"
STATE = "market.crypto.trades.gold.state"
DLQ = "market.crypto.trades.dlq"
REPLAYS = "market.crypto.trades.dlq.replays"
GAPS = "market.crypto.feed.gaps"
EVENTS = "market.crypto.feed.events"
SYMBOLS = "market.crypto.feed.symbols"
COVERAGE = "market.crypto.feed.coverage"
EXCHANGES: tuple[Exchange, ...] = tuple(contracts.venues())
_KNOWN_POLLS, _KNOWN_POLL_S = 300, 0.1


@dataclass(frozen=True, slots=True)
class Names:
    """What a run's topics, subjects, groups and transactional ids are called: the contract's names, prefixed."""

    prefix: str = ""

    def topic(self, contract_name: str) -> str:
        """A topic's name in this run."""
        return self.prefix + contract_name

    def contract(self, topic: str) -> TopicContract:
        """The contract of a topic of this run."""
        return contracts.topics()[topic.removeprefix(self.prefix)]

    def partitions(self, contract_name: str) -> list[TopicPartition]:
        """Every partition of a topic of this run."""
        topic = self.topic(contract_name)
        return [TopicPartition(topic, partition) for partition in range(self.contract(topic).partitions)]

    def partition_counts(self, used: Iterable[str]) -> dict[str, int]:
        """How many partitions topics of this run have by their contracts; ``used`` are the contracts' names."""
        return {self.topic(name): self.contract(name).partitions for name in used}

    def subject(self, topic: str) -> str:
        """The registry's subject for a topic's values."""
        return f"{topic}-value"

    def group(self, service: str) -> str:
        """A service's consumer group."""
        return f"{self.prefix}k2.{service}"

    def table_group(self, table: str) -> str:
        """The consumer group that fills a table of the lake."""
        return self.group(f"iceberg_sink.{table}")

    def warm_group(self, table: str) -> str:
        """The consumer group that fills a table of the warm tier."""
        return self.group(f"warm_sink.{table}")

    def transactional_id(self, service: str, topic: str, partition: int) -> str:
        """The transactional id that fences every other owner of one input partition."""
        return f"{service}-v1-{self.topic(topic.removeprefix(self.prefix))}-{partition}"


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key, as Java's producer chooses it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


async def create(admin: AIOKafkaAdminClient, names: Names, wanted: Iterable[TopicContract], replication: int) -> None:
    """Create the topics that are missing; those that stand are left as they are.

    Raises:
        Halt: the broker refused.
        Unavailable: it took them, and does not know them after a while.
    """
    new = [NewTopic(names.topic(c.name), c.partitions, replication, topic_configs=c.config) for c in wanted]
    answer = await admin.create_topics(new)
    for name, code, *message in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise Halt(f"the broker refused to create {name}: {for_code(code).__name__} {message or ''}")
    await _known(admin, [topic.name for topic in new])


async def _known(admin: AIOKafkaAdminClient, topics: list[str]) -> None:
    """Wait until a broker knows what its controller has created: it learns of it a moment later."""
    for _ in range(_KNOWN_POLLS):
        if not any(found["error_code"] for found in await admin.describe_topics(topics)):
            return
        await asyncio.sleep(_KNOWN_POLL_S)
    raise Unavailable(
        f"the broker does not know {', '.join(topics)} {_KNOWN_POLLS * _KNOWN_POLL_S:.0f} s after it took them"
    )


async def check(admin: AIOKafkaAdminClient, names: Names, used: Iterable[str]) -> None:
    """Refuse to start on topics that are not as their contracts say.

    Raises:
        ConfigError: a topic is missing, or has another partition count.
    """
    topics = [names.topic(name) for name in used]
    for found in await admin.describe_topics(topics):
        topic, wanted = found["topic"], names.contract(found["topic"]).partitions
        count = len(found["partitions"])
        if found["error_code"]:
            raise ConfigError(absent(topic, found["error_code"]))
        if fault := miscounted(topic, count, wanted):
            raise ConfigError(fault)


def absent(topic: str, error_code: int) -> str:
    """What to say of a topic that is not there at a start."""
    return (
        f"topic {topic} does not exist ({for_code(error_code).__name__}): run 'k2 init'; "
        "one that held records is restored with them first"
    )


def gone(topic: str) -> str:
    """What to say of a topic that was deleted under its users."""
    return (
        f"topic {topic} was deleted: stop what writes to it and restore it with what it held; "
        "made anew it is another topic, empty"
    )


def recreated(topic: str, first: str, now: str) -> str:
    """What to say of a topic of the same name with another id."""
    return (
        f"topic {topic} was created anew: its id was {first} and is {now}; restart this agent, which then goes on, or "
        "says what contradicts the new topic"
    )


def miscounted(topic: str, partitions: int, wanted: int) -> str:
    """What to say of a topic with another partition count than its contract's; nothing where it is the same."""
    if partitions == wanted:
        return ""
    said = f"topic {topic} has {partitions} partitions, its contract says {wanted}: "
    if partitions < wanted:
        return said + f"add the others (kafka-topics.sh --alter --partitions {wanted})"
    return said + (
        f"nobody reads partition {wanted} on, and Kafka takes none back; write what stands there once more, by its key "
        f"to the first {wanted}, or begin another run (K2_PREFIX) with more of them in every trade topic's contract"
    )


async def apply_subjects(registry: SchemaRegistry, names: Names, wanted: Iterable[TopicContract]) -> dict[str, int]:
    """Register every schema that the contracts name; returns the ids by subject."""
    found = {}
    for contract in wanted:
        if contract.schema:
            subject = names.subject(names.topic(contract.name))
            found[subject] = await registry.apply(contract, subject)
    return found


@asynccontextmanager
async def administration(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client.

    Raises:
        Unavailable: no broker answered.
        ConfigError: one did, and refuses what the settings say; or this installation cannot read every codec of Kafka.
    """
    codecs.check()
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise await admission.refusal(settings) or unreachable(settings, error) from None
    finally:
        await admin.close()


def unreachable(settings: KafkaSettings, error: Exception) -> Unavailable:
    """The error for a broker that does not answer."""
    why = "" if "Unable to bootstrap" in str(error) else f" ({error})"  # that repeats the addresses, and no more
    return Unavailable(
        f"no Kafka broker answered at {settings.kafka_bootstrap_servers}{why}: start it, or check "
        f"KAFKA_BOOTSTRAP_SERVERS, and whether it speaks KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol}"
    )
