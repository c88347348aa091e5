"""The composition root of silver."""

from typing import NoReturn

from aiokafka import TopicPartition

from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, SILVER, Names
from k2_shared.stages.agent import Shell, run
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.processor import Pipeline, ProcessorFactory
from k2_shared.stages.transactions import TransactionalAgent
from silver.domain import SilverProcessor
from silver.settings import SERVICE, SilverSettings


def compose(settings: SilverSettings, shell: Shell) -> TransactionalAgent:
    """Wire silver from its settings."""
    names = Names(settings.k2_prefix)
    exchanges = {names.topic(BRONZE.format(exchange=exchange.lower())): exchange for exchange in EXCHANGES}

    schemas = {topic: SubjectSchemas(settings, names.contract(topic), names.subject(topic)) for topic in exchanges}

    async def processors() -> ProcessorFactory:
        for each in schemas.values():
            await each.load()

        def processor(at: TopicPartition) -> SilverProcessor:
            return SilverProcessor(exchanges[at.topic], schemas[at.topic].known, settings.silver_max_clock_skew_s)

        return processor

    lower = [exchange.lower() for exchange in EXCHANGES]
    outputs = {BRONZE.format(exchange=exchange): SILVER.format(exchange=exchange) for exchange in lower}
    pipeline = Pipeline(
        SERVICE, tuple(outputs), (*outputs.values(), DLQ), processors, exclusive_outputs=outputs, schemas=schemas
    )
    return TransactionalAgent(settings, names, pipeline, shell.metrics, AgentLimits.of(settings)).in_shell(shell)


def main() -> NoReturn:
    """Run silver."""
    run(SERVICE, SilverSettings, compose)
