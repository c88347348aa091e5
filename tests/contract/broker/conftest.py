"""A broker that breaks promises: the stack's, behind a proxy that changes what it is asked."""

import struct
from collections.abc import AsyncIterator

import pytest
from tests.faults.apis import FETCH, LIST_OFFSETS
from tests.faults.proxy import Change, Proxy

from k2_shared.core.settings import KafkaSettings, RunSettings

_CLIENT_AT, _STRING = 8, struct.Struct(">h")
# Where the isolation level stands behind the client's name, in the versions that aiokafka and this broker agree on.
ISOLATION = {FETCH: 16, LIST_OFFSETS: 4}


def uncommitted(behind_client: int) -> Change:
    """Ask as a reader of uncommitted records, whoever asks."""

    def change(frame: bytes) -> bytes:
        (length,) = _STRING.unpack_from(frame, _CLIENT_AT)
        at = _CLIENT_AT + _STRING.size + length + behind_client
        return frame[:at] + b"\0" + frame[at + 1 :]

    return change


@pytest.fixture
async def dishonest(run_settings: RunSettings, request: pytest.FixtureRequest) -> AsyncIterator[KafkaSettings]:
    """A broker that forgets the isolation level of one API, which is the fixture's parameter."""
    port = int(run_settings.kafka_bootstrap_servers.rpartition(":")[2])
    async with Proxy(port).listening() as proxy:
        proxy.change(request.param, uncommitted(ISOLATION[request.param]))
        yield run_settings.model_copy(update={"kafka_bootstrap_servers": proxy.address})
