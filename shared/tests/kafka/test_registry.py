"""The registry client on the real registry."""

from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.settings import RegistrySettings, RunSettings
from k2_shared.kafka import registry as registry_module
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import BRONZE, GOLD, RAW, Names, apply_subjects
from k2_support.ports import free_port

CONTRACT = contracts.topics()[GOLD]
SUBJECTS = [BRONZE.format(exchange="kraken"), GOLD]


async def mode(settings: RegistrySettings, subject: str) -> str:
    """The compatibility mode that the registry keeps for a subject."""
    async with aiohttp.request("GET", f"{settings.schema_registry_url}/config/{subject}") as answer:
        return str((await answer.json(content_type=None))["compatibilityLevel"])


async def test_one_schema_has_one_id_under_every_subject(run_settings: RunSettings, names: Names) -> None:
    """Bronze's bytes are gold's bytes, so the id in them must hold for both; applying again changes nothing."""
    wanted = [contracts.topics()[name] for name in (*SUBJECTS, RAW.format(exchange="kraken"))]
    async with SchemaRegistry.connect(run_settings) as registry:
        ids = await apply_subjects(registry, names, wanted)
        assert set(ids) == {names.subject(names.topic(name)) for name in SUBJECTS}
        assert len(set(ids.values())) == 1
        assert await apply_subjects(registry, names, wanted) == ids
        for subject, schema_id in ids.items():
            assert await registry.schema_id(CONTRACT, subject) == schema_id
            assert await mode(run_settings, subject) == CONTRACT.compatibility == "NONE"


async def test_another_mode_is_kept_too(run_settings: RunSettings, names: Names) -> None:
    """The mode that stands is the contract's, not the registry's default."""
    subject = names.subject(names.topic(GOLD))
    async with SchemaRegistry.connect(run_settings) as registry:
        await registry.apply(replace(CONTRACT, compatibility="BACKWARD"), subject)
        await registry.apply(CONTRACT, subject)
    assert await mode(run_settings, subject) == "NONE"


async def test_an_unknown_subject_is_a_config_error(run_settings: RunSettings, names: Names) -> None:
    """It names the subject and what creates it."""
    async with SchemaRegistry.connect(run_settings) as registry:
        with pytest.raises(ConfigError, match=f"no schema trade_v3.avsc under {names.prefix}nothing: run 'k2 init'"):
            await registry.schema_id(CONTRACT, f"{names.prefix}nothing")


async def test_what_the_registry_refuses_halts_with_its_words(
    run_settings: RunSettings, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is neither yes nor try-again is quoted."""
    monkeypatch.setattr(registry_module, "schema_text", lambda _: "{")
    async with SchemaRegistry.connect(run_settings) as registry:
        with pytest.raises(Halt, match=r"refused POST .*: HTTP 4"):
            await registry.apply(CONTRACT, f"{names.prefix}bad")


async def test_a_topic_without_schema_has_no_subject(run_settings: RunSettings) -> None:
    """Asking for one is a mistake in the code."""
    async with SchemaRegistry.connect(run_settings) as registry:
        with pytest.raises(TypeError, match="carries no schema"):
            await registry.schema_id(contracts.topics()[RAW.format(exchange="kraken")], "s")


async def test_a_registry_that_does_not_answer_is_unavailable() -> None:
    """After bounded attempts the error names the variable."""
    settings = RegistrySettings.load(schema_registry_url=f"http://127.0.0.1:{free_port()}/")
    async with SchemaRegistry.connect(settings) as registry:
        with pytest.raises(Unavailable, match=r"did not answer POST .* in 5 attempts .*SCHEMA_REGISTRY_URL"):
            await registry.schema_id(CONTRACT, "s")


async def test_it_tries_again_and_shows_its_credentials() -> None:
    """A 503 is tried again with the same credentials; the next answer counts."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        return web.json_response({"id": 5}, status=503 if len(asked) == 1 else 200)

    app = web.Application()
    app.router.add_post("/subjects/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        settings = RegistrySettings.load(
            schema_registry_url=f"http://127.0.0.1:{port}",
            schema_registry_username="k2",
            schema_registry_password="hidden",
        )
        async with SchemaRegistry.connect(settings) as registry:
            assert await registry.schema_id(CONTRACT, "s") == 5
    finally:
        await runner.cleanup()
    assert asked == ["Basic azI6aGlkZGVu"] * 2
