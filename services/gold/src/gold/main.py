"""The composition root of gold."""

from typing import NoReturn

from aiokafka import TopicPartition

from gold.domain import GoldProcessor
from gold.reading import Reader
from gold.settings import SERVICE, GoldSettings
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import DLQ, EXCHANGES, GOLD, SILVER, STATE, Names
from k2_shared.stages.agent import Shell, run
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.processor import Pipeline, ProcessorFactory, StateTopics
from k2_shared.stages.transactions import TransactionalAgent


def compose(settings: GoldSettings, shell: Shell) -> TransactionalAgent:
    """Wire gold from its settings."""
    names = Names(settings.k2_prefix)
    inputs = {SILVER.format(exchange=exchange.lower()): exchange for exchange in EXCHANGES}

    topic = names.topic(GOLD)
    contract = names.contract(topic)
    schemas = SubjectSchemas(settings, contract, names.subject(topic))

    async def processors() -> ProcessorFactory:
        await schemas.load()

        def processor(at: TopicPartition) -> GoldProcessor:
            exchange = inputs[names.contract(at.topic).name]
            reader = Reader(exchange, schemas.known, at.partition, contract.partitions)
            return GoldProcessor(exchange, reader, f"{topic}[{at.partition}]", settings.gold_compared_ids)

        return processor

    state = StateTopics(checkpoints=STATE, output=GOLD)
    written_with = dict.fromkeys(map(names.topic, inputs), schemas)
    pipeline = Pipeline(SERVICE, tuple(inputs), (GOLD, DLQ), processors, state, schemas=written_with)
    limits = AgentLimits.of(settings, checkpoint_s=settings.checkpoint_interval_s)
    return TransactionalAgent(settings, names, pipeline, shell.metrics, limits).in_shell(shell)


def main() -> NoReturn:
    """Run gold."""
    run(SERVICE, GoldSettings, compose)
