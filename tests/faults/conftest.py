"""Fixtures of the tests with a network between a client and the broker."""

from collections.abc import AsyncIterator

import pytest
from tests.faults.proxy import Proxy

from k2_shared.core.settings import RunSettings


@pytest.fixture
async def proxy(run_settings: RunSettings) -> AsyncIterator[Proxy]:
    """A proxy before the stack's broker."""
    port = int(run_settings.kafka_bootstrap_servers.rpartition(":")[2])
    async with Proxy(port).listening() as listening:
        yield listening
