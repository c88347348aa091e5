"""An id that is not known while the registry is away: nothing of its batch is refused, and it goes on by itself."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from k2_shared.core import contracts
from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import BRONZE, DLQ, SILVER, Names
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.processor import Pipeline, ProcessorFactory
from k2_shared.stages.transactions import TransactionalAgent
from k2_support.records import SCHEMA_ID, records, trade
from k2_support.topics import read, values, write
from k2_support.waiting import eventually
from silver.domain import SilverProcessor

IN, OUT = BRONZE.format(exchange="kraken"), SILVER.format(exchange="kraken")


class FakeRegistry:
    """A registry that has one version of every subject; it may be away."""

    def __init__(self) -> None:
        self.away = True
        self.refused = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.refused += self.away
        version = {"id": SCHEMA_ID, "schema": json.dumps(contracts.trade_schema())}
        said = version if "version" in request.match_info else [1]
        return web.json_response(said, status=503 if self.away else 200)


@pytest.fixture
async def registry(run_settings: RunSettings) -> AsyncIterator[tuple[FakeRegistry, RunSettings]]:
    registry, app = FakeRegistry(), web.Application()
    for path in ("/subjects/{subject}/versions", "/subjects/{subject}/versions/{version}"):
        app.router.add_get(path, registry.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield registry, run_settings.model_copy(update={"schema_registry_url": url})
    await runner.cleanup()


async def test_a_registry_that_is_away_makes_no_dead_letter(
    topics: dict[str, int], registry: tuple[FakeRegistry, RunSettings], names: Names
) -> None:
    """The partition waits, the agent is not ready; when the registry answers, the same batch goes on."""
    stands_in, settings = registry
    topic = names.topic(IN)
    schemas = SubjectSchemas(settings, names.contract(topic), names.subject(topic))

    async def processors() -> ProcessorFactory:
        return lambda at: SilverProcessor("KRAKEN", schemas.known, 60.0)

    pipeline = Pipeline("silver", (IN,), (OUT, DLQ), processors, schemas={topic: schemas})
    agent = TransactionalAgent(settings, names, pipeline, Metrics("silver", "0"), AgentLimits(backoff_s=0.01))
    await agent.start()
    try:
        await write(settings, names, records([trade()], IN), partition=3)
        await eventually(lambda: stands_in.refused >= 6, "a second round of questions")
        assert agent.not_ready()
        assert await read(settings, names, OUT) == await read(settings, names, DLQ) == []
        stands_in.away = False

        async def gone_on() -> bool:
            return len(await read(settings, names, OUT)) == 1

        await eventually(gone_on, "the record in silver")
        await eventually(lambda: not agent.not_ready(), "readiness")
    finally:
        await agent.stop()
    assert values(await read(settings, names, OUT)) == [records([trade()])[0].value]
    assert await read(settings, names, DLQ) == []
