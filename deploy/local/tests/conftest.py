"""One running stack for all tests that need one, and a means to occupy ports."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from k2_local import Stack, StackSettings

Occupied = Callable[[int], AbstractContextManager[int]]


@pytest.fixture(scope="session")
def occupied() -> Occupied:
    """Listen on a port of 127.0.0.1, 0 for any, for the length of a block that is given the port."""

    @contextmanager
    def listen(port: int) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", port)) as server:
            yield server.getsockname()[1]

    return listen


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is up; a test that breaks a part mends it with ``up``."""
    shared = Stack(StackSettings.load(k2_state_dir=tmp_path_factory.mktemp("stack")))
    shared.up()
    yield shared
    shared.down()


@pytest.fixture
def settings(tmp_path: Path) -> StackSettings:
    """Settings of a new stack in a folder of its own."""
    return StackSettings.load(k2_state_dir=tmp_path / "state")
