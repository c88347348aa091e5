"""The check of a service's health, as its image runs it: exit 0 says that /healthz answered 200 in time."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import ModuleType

import pytest
from tests.contract.images.as_image import ROOT
from tests.contract.programs import loaded

from k2_support.answering import answering
from k2_support.ports import HOST, free_port

PROGRAM = ROOT / "deploy/docker/healthcheck.py"
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
PATIENCE_S = 60


@pytest.fixture
def healthcheck() -> ModuleType:
    """The program, as a module of its own for each test."""
    return loaded(PROGRAM)


@contextmanager
def service(status: int) -> Iterator[int]:
    """A service whose /healthz has this status, and of which nothing else is well; the block is given its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
            """Nothing is logged."""

    with answering(ThreadingHTTPServer((HOST, 0), Handler)) as server:
        yield server.server_port


@contextmanager
def talker(said: bytes) -> Iterator[int]:
    """Somebody who takes a connection and says this, whatever is asked, and nothing more while the block lasts."""
    with socket.create_server((HOST, 0)) as listening:

        def talk() -> None:
            with listening.accept()[0] as connection:
                connection.sendall(said)
                connection.recv(65_536)
                connection.recv(1)  # until the other end has gone

        talking = Thread(target=talk, daemon=True)
        talking.start()
        yield listening.getsockname()[1]
        talking.join(PATIENCE_S)


def exit_code(**told: int) -> int:
    """Of the program as the image runs it, which is told nothing but these ports."""
    command = [sys.executable, "-I", "-S", os.fspath(PROGRAM)]
    environment = {name: str(port) for name, port in told.items()}
    return subprocess.run(command, env=environment, timeout=PATIENCE_S, check=False).returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (404, 1), (302, 1)])
def test_its_exit_code_is_what_healthz_says(status: int, expected: int) -> None:
    """200 is well; a redirect is not followed."""
    with service(status) as port:
        assert exit_code(WEB_PORT=port) == expected


def test_where_nobody_listens_nothing_is_well() -> None:
    """A service that has gone, or has not come up."""
    assert exit_code(WEB_PORT=free_port()) == 1


def test_the_simulator_is_asked_at_its_own_port() -> None:
    """Which is called otherwise; an agent's own comes first."""
    with service(200) as well, service(503) as ill:
        assert exit_code(SIM_PORT=well) == 0
        assert exit_code(SIM_PORT=well, WEB_PORT=ill) == 1


def test_who_does_not_answer_is_not_well(healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose loop hangs takes the connection, and says nothing."""
    monkeypatch.setattr(healthcheck, "TIMEOUT_S", 0.1)
    with talker(b"") as port:
        assert not healthcheck.alive(port)


@pytest.mark.parametrize("said", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 "])
def test_what_is_no_answer_is_not_well(healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """Another protocol, or half a line."""
    monkeypatch.setattr(healthcheck, "TIMEOUT_S", 0.1)
    with talker(said) as port:
        assert not healthcheck.alive(port)


def test_it_gives_up_before_it_is_given_up(healthcheck: ModuleType) -> None:
    """Docker's patience is longer, so that the engine gets an exit code."""
    (patience,) = re.findall(r"^HEALTHCHECK .*--timeout=(\d+)s", DOCKERFILE, re.MULTILINE)
    assert int(patience) > healthcheck.TIMEOUT_S


def test_the_image_runs_it_where_it_is() -> None:
    """The path of the check is the one that the program is copied to, and Python is run as here."""
    (place,) = re.findall(r"^COPY deploy/docker/healthcheck.py (\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE) == [
        f'["python", "-I", "-S", "{place}"]'
    ]
