"""The schemas of a subject: all its versions at the start, a new one when a record has its id, and few questions."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.settings import RegistrySettings, RunSettings
from k2_shared.core.trade import decode
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import GOLD, Names
from k2_support.ports import free_port
from k2_support.records import FakeRecord, encoded, fields, trade, value, with_exchanges
from k2_support.waiting import eventually

CONTRACT = contracts.topics()[GOLD]
pytestmark = pytest.mark.topics(GOLD)
TOY = with_exchanges("BINANCE", "KRAKEN", "TOY")


async def register(settings: RunSettings, subject: str, schema: object) -> int:
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    async with aiohttp.request(
        "POST", f"{settings.schema_registry_url}/subjects/{subject}/versions", json=body
    ) as said:
        return int((await said.json(content_type=None))["id"])


def records_of(*values: bytes | None) -> list[FakeRecord]:
    return [FakeRecord(b"any", each) for each in values]


async def test_every_version_is_read_and_a_new_one_learnt(
    run_settings: RunSettings, names: Names, topics: dict[str, int]
) -> None:
    """Records of the schema before, of the contract's and of the next are read by one reader that never restarts."""
    subject = names.subject(names.topic(GOLD))
    before = await register(run_settings, subject, with_exchanges("KRAKEN"))
    schemas = SubjectSchemas(run_settings, CONTRACT, subject)
    assert await schemas.load() == topics[subject]
    assert schemas.known.keys() == {before, topics[subject]}
    toy = await register(run_settings, subject, TOY)
    odd = await register(run_settings, subject, "string")
    batch = [
        encoded(fields(trade()), before, with_exchanges("KRAKEN")),
        value(trade(), topics[subject]),
        encoded(fields(trade()), toy, TOY),
    ]
    await schemas.learn(records_of(*batch))
    assert [decode(each, schemas.known) for each in batch] == [fields(trade())] * 3
    assert schemas.known[odd] is None


async def test_a_subject_that_is_not_there_is_a_config_error(run_settings: RunSettings, names: Names) -> None:
    """It is told at the start."""
    with pytest.raises(ConfigError, match="run 'k2 init'"):
        await SubjectSchemas(run_settings, CONTRACT, f"{names.prefix}nothing").load()


class Counting:
    """A registry with one subject, which counts what it is asked."""

    def __init__(self) -> None:
        self.versions = {1: (7, contracts.trade_schema())}
        self.lists = self.reads = 0

    async def list(self, request: web.Request) -> web.Response:
        self.lists += 1
        return web.json_response(list(self.versions))

    async def read(self, request: web.Request) -> web.Response:
        self.reads += 1
        schema_id, schema = self.versions[int(request.match_info["version"])]
        return web.json_response({"id": schema_id, "schema": json.dumps(schema)})


@pytest.fixture
async def counting() -> AsyncIterator[tuple[Counting, RegistrySettings]]:
    counted, app = Counting(), web.Application()
    app.router.add_get("/subjects/s/versions", counted.list)
    app.router.add_get("/subjects/s/versions/{version}", counted.read)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield counted, RegistrySettings.load(schema_registry_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


async def test_the_registry_is_asked_once_a_batch_and_seldom_for_what_it_has_not(
    counting: tuple[Counting, RegistrySettings],
) -> None:
    """Not for known ids; once for all others of a batch, whoever has them; for the same again after a minute."""
    registry, settings = counting
    now = 100.0
    schemas = SubjectSchemas(settings, CONTRACT, "s", clock=lambda: now)
    batch = records_of(value(trade()), *(value(trade(), n) for n in range(100, 200)), None, b"junk")
    await asyncio.gather(*(schemas.learn(batch) for _ in range(24)))
    assert (registry.lists, registry.reads, list(schemas.known)) == (1, 1, [7])
    await schemas.learn(batch[:1])
    await schemas.learn(batch[5:])
    assert registry.lists == 1
    await schemas.learn(records_of(value(trade(), 200)))
    assert registry.lists == 2
    registry.versions[2] = (100, TOY)
    now += 59.0
    await schemas.learn(batch)
    assert 100 not in schemas.known
    now += 1.0
    await schemas.learn(batch)
    assert (registry.lists, registry.reads, list(schemas.known)) == (3, 2, [7, 100])


async def test_what_is_remembered_as_absent_is_bounded(counting: tuple[Counting, RegistrySettings]) -> None:
    """Whoever makes ids up costs a question a batch, and no memory."""
    registry, settings = counting
    schemas = SubjectSchemas(settings, CONTRACT, "s")
    parts = [range(first, first + 6_000) for first in range(100, 24_100, 6_000)]
    batches = [records_of(*(value(trade(), number) for number in part)) for part in parts]
    for batch in batches:
        await schemas.learn(batch)
    await schemas.learn(batches[-1])
    assert registry.lists == 4
    await schemas.learn(batches[0])
    assert registry.lists == 5, "the first batch is forgotten"


async def test_a_registry_that_is_away_leaves_an_id_undecided() -> None:
    """Whoever asks gets Unavailable, however often; while it is asked, readiness has something to say."""
    settings = RegistrySettings.load(schema_registry_url=f"http://127.0.0.1:{free_port()}")
    schemas = SubjectSchemas(settings, CONTRACT, "s")
    for _ in range(2):
        asking = asyncio.ensure_future(schemas.learn(records_of(value(trade(), 8))))
        await eventually(lambda: schemas.asking, "the question")
        assert schemas.asking == "schema registry: asked for 1 ids of s, as 8"
        with pytest.raises(Unavailable, match="did not answer GET /subjects/s/versions"):
            await asking
        assert schemas.asking is None
