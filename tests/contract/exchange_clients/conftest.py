"""A simulator process for clients that somebody else wrote."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exchange_sim.model import Recording
from exchange_sim.recordings import PACKAGED, load

Start = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def recordings_folder() -> Path:
    """The packaged recordings, or those that SIM_TEST_RECORDINGS names."""
    return Path(os.environ.get("SIM_TEST_RECORDINGS", PACKAGED))


@pytest.fixture(scope="session")
def recordings(recordings_folder: Path) -> list[Recording]:
    return load(recordings_folder)


@pytest.fixture
def start(recordings_folder: Path) -> Iterator[Start]:
    """Start a simulator with these flags; gives its URLs, and ends it with the test."""
    with ExitStack() as stack:

        def run(*flags: str) -> dict[str, str]:
            base = [
                sys.executable,
                "-m",
                "exchange_sim",
                "--port",
                "0",
                "--recordings",
                str(recordings_folder),
            ]
            process = stack.enter_context(subprocess.Popen([*base, *flags], stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            urls: dict[str, str] = json.loads(process.stdout.readline())
            return urls

        yield run
