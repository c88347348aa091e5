"""A feed on a simulated venue, begun by the test and ended with it; and servers of a test's own, to be ended."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.feeds.rig import Rig, running
from tests.own_stack import servers

from k2_local import Stack
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_support.topics import lasting_topics

Begin = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def prepare(run_settings: RunSettings, topics: dict[str, int], tmp_path: Path) -> AsyncIterator[Begin]:
    """Start a simulated venue, with what ``running`` takes; its feed is for the test to start."""
    async with AsyncExitStack() as opened:

        async def start(venue: Exchange, **given: Any) -> Rig:
            return await opened.enter_async_context(running(run_settings, venue, tmp_path, **given))

        yield start


@pytest.fixture
def begin(prepare: Begin) -> Begin:
    """Start a simulated venue and every process of its feed; returns when all symbols have brought trades."""

    async def start(venue: Exchange, **given: Any) -> Rig:
        rig = await prepare(venue, **given)
        await rig.up(*rig.agents)
        return rig

    return start


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that may be ended."""
    with servers(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
async def settings(stack: Stack) -> AsyncIterator[RunSettings]:
    """Topics for one test on that stack."""
    servers = {name.lower(): each for name, each in stack.env().items() if name.startswith(("KAFKA", "SCHEMA"))}
    found = RunSettings.load(k2_prefix=f"b{uuid.uuid4().hex[:8]}.", **servers)
    async with lasting_topics(found):
        yield found
