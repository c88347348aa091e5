"""Fixtures for tests on the real stack; a run of tests shares one, apart by prefix."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka.topics import Names
from k2_support.children import Child, spawned
from k2_support.fork_server import forked
from k2_support.ordering import dealt
from k2_support.probe import demand
from k2_support.topics import lasting_topics

# How fast examples come says what else the machine does, and nothing of the code; a suite is inherited by test classes.
IGNORED = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.differing_executors]
hypothesis.settings.register_profile("k2", deadline=None, suppress_health_check=IGNORED, print_blob=True)
hypothesis.settings.load_profile("k2")
pytest.register_assert_rewrite("k2_support.conformance")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Check the broker's promises before the first test; once a session, not in xdist's workers."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:
        return
    try:
        asyncio.run(demand(KafkaSettings.load()))
    except K2Error as error:
        pytest.exit(str(error), returncode=error.exit_code)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the tests to xdist's workers, the longest first."""
    if hasattr(config, "workerinput"):
        items[:] = dealt(items, config.workerinput["workercount"])


@pytest.fixture(autouse=True)
def environment_is_left_alone() -> Iterator[None]:
    """A test that leaves another environment would fail others, wherever they come after it."""
    before = _environment()
    yield
    after = _environment()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update(before)
        pytest.fail(f"this test left os.environ changed: {', '.join(changed)}; use monkeypatch.setenv")


def _environment() -> dict[str, str]:
    """What something of ours reads; libraries set variables of their own when they are imported."""
    return {name: os.environ[name] for name in contracts.variables().names & os.environ.keys()}


@pytest.fixture
def run_settings() -> RunSettings:
    """The shared stack, under a prefix that no other test has."""
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:
        pytest.fail("this test needs the stack: run it by 'make test', or under 'k2 stack exec --'")
    return RunSettings.load(k2_prefix=f"t{uuid.uuid4().hex[:8]}.")


@pytest.fixture
def names(run_settings: RunSettings) -> Names:
    """The names of this test's topics, groups and tables."""
    return Names(run_settings.k2_prefix)


@pytest.fixture
async def topics(run_settings: RunSettings, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, int]]:
    """Topics and subjects of the contracts, for this test alone; yields the schema ids by subject.

    All of them, or those that the test's mark ``topics`` names.
    """
    mark = request.node.get_closest_marker("topics")
    async with lasting_topics(run_settings, only=mark.args if mark else ()) as ids:
        yield ids


class Agents:
    """Starts agents on this test's prefix."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self._prefix = prefix
        self._folder = folder
        self.started: list[Child] = []

    def start(self, module: str, **environment: str) -> Child:
        """Start an agent; its readiness is the caller's to await.

        Modules of another place (``PYTHONPATH``) are a new interpreter's to import.
        """
        starts = spawned if "PYTHONPATH" in environment else forked
        child = Child.agent(module, {"K2_PREFIX": self._prefix, **environment}, self._folder, starts)
        self.started.append(child.start())
        return child


@pytest.fixture
def agents(run_settings: RunSettings, tmp_path: Path) -> Iterator[Agents]:
    """Agents as processes; whatever still runs at the end of the test is killed."""
    runner = Agents(run_settings.k2_prefix, tmp_path)
    yield runner
    for child in runner.started:
        child.kill()
