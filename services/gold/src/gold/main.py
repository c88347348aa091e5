"""The composition root of gold."""

from typing import NoReturn

from aiokafka import TopicPartition

from gold.domain import GoldStage
from k2_shared.agent import Shell, run
from k2_shared.registry import Registry
from k2_shared.settings import AgentSettings
from k2_shared.topics import DLQ, EXCHANGES, GOLD, SILVER, Names
from k2_shared.transactions import Pipeline, StageFactory, TransactionalAgent

SERVICE = "gold"


def compose(settings: AgentSettings, shell: Shell) -> TransactionalAgent:
    """Wire gold from its settings."""
    names = Names(settings.k2_prefix)

    async def stages() -> StageFactory:
        topic = names.topic(GOLD)
        async with Registry.connect(settings) as registry:
            schema_id = await registry.schema_id(names.contract(topic), names.subject(topic))

        def stage(at: TopicPartition) -> GoldStage:
            return GoldStage(schema_id)

        return stage

    pipeline = Pipeline(
        service=SERVICE,
        inputs=tuple(SILVER.format(exchange=exchange.lower()) for exchange in EXCHANGES),
        outputs=(GOLD, DLQ),
        stages=stages,
        restores_from=GOLD,
    )
    agent = TransactionalAgent(settings, names, pipeline, shell.metrics)
    shell.health.not_ready = agent.not_ready
    return agent


def main() -> NoReturn:
    """Run gold."""
    run(SERVICE, AgentSettings, compose)
