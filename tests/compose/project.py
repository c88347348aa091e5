"""The compose file as a project of its own: its names, volumes and ports are nobody else's."""

import json
import os
import re
import resource
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.compose.engine import Docker
from tests.compose.images import ROOT
from tests.contract.compose.composefile import read_with

from k2_shared.core.errors import Unavailable
from k2_support.children import wait_until
from k2_support.ports import free_port

SIMULATOR = "exchange_sim"
VERSION = "test"
"""The tag of the images that are built."""
_FEEDS = {
    "KRAKEN_WS_URL": f"ws://{SIMULATOR}:8765/v2",
    "KRAKEN_REST_URL": f"http://{SIMULATOR}:8765",
    "KRAKEN_SYMBOLS": "BTC/USDT",
    "BINANCE_WS_URL": f"ws://{SIMULATOR}:8765/stream",
    "BINANCE_REST_URL": f"http://{SIMULATOR}:8765",
}
_UP_S, _POLL_S = 600.0, 1.0


@dataclass(frozen=True)
class Container:
    """A container of the project as the engine tells of it."""

    service: str
    state: str
    health: str
    exit_code: int

    @property
    def works(self) -> bool:
        """Whether it runs and its check says so; or, if it has none, whether it has done what it was for."""
        return self.health == "healthy" or (self.state, self.exit_code) == ("exited", 0)


class Project:
    """``docker compose`` for one project in a folder; every method blocks.

    ``name`` is compose's, ``given`` what its variables are besides; ``services`` are those of a plain ``up`` with the
    simulator, ``once`` those of them that do their work and end; ``profiles`` are those that orders are of.
    """

    def __init__(self, docker: Docker, name: str, folder: Path, base: str, given: Mapping[str, str]) -> None:
        self._docker, self.name, self._folder = docker, name, folder
        every = read_with(given)
        self.services = {name: each for name, each in every.items() if _is_started(each)}
        self.once = {name for name, each in self.services.items() if each["restart"] == "no"}
        self._override = folder / "override.yaml"
        self._override.write_text(yaml.safe_dump(_override(every, base)))
        self.variables = _variables() | given
        self._variables_file = folder / "variables.env"
        self.profiles = ["sim"]

    @property
    def built(self) -> dict[str, str]:
        """The images that are built, without their tags, by the service."""
        return {name: each["image"].split(":")[0] for name, each in self.services.items() if "build" in each}

    def order(self, *words: str) -> str:
        """Run a command of compose to its end.

        Raises:
            Unavailable: it failed; quotes it.
        """
        self._variables_file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        files = ["--file", os.fspath(ROOT / "docker-compose.yml"), "--file", os.fspath(self._override)]
        where = ["--project-directory", os.fspath(ROOT), "--env-file", os.fspath(self._variables_file)]
        profiles = [f"--profile={each}" for each in self.profiles]
        return self._docker.order("compose", "-p", self.name, *where, *files, *profiles, *words)

    def start(self, *words: str) -> None:
        """``docker compose up`` of services, or of all, from the images that are here.

        Raises:
            Unavailable: it failed; quotes it.
        """
        self.order("up", "--detach", "--no-build", "--pull", "never", *words)

    def containers(self) -> list[Container]:
        """Every container of the project, those that have ended too."""
        lines = self.order("ps", "--all", "--format", "json").splitlines()
        return [_container(json.loads(line)) for line in lines]

    def wait(self, services: Iterable[str] | None = None) -> None:
        """Wait until every container of the services works.

        Raises:
            Unavailable: some do not; names each, with its last lines.
        """
        wanted = set(services or self.services)
        try:
            wait_until(lambda: not self._lacking(wanted), _UP_S, "what works", _POLL_S)
        except Unavailable:
            raise Unavailable("; ".join(map(self._told, self._lacking(wanted)))) from None

    def kill(self, service: str) -> None:
        """End a service's first process by kill -9, and wait until what is started in its place works.

        ``docker kill`` counts as a wish, after which the engine would not start it again.

        Raises:
            Unavailable: nothing was started in its place, or that does not work.
        """
        number = self.number(service)
        before = self._inspected(number, "{{.State.Pid}} {{.RestartCount}}").split()
        os.kill(int(before[0]), signal.SIGKILL)
        wait_until(lambda: self._restarts(number) > int(before[1]), _UP_S, f"another {service}", _POLL_S)
        self.wait([service])

    def keep_logs(self) -> None:
        """Write what every container has printed to the project's folder."""
        for each in self.containers():
            said = self.order("logs", "--no-log-prefix", "--timestamps", each.service)
            (self._folder / f"{each.service}.log").write_text(said)

    def number(self, service: str) -> str:
        """The id of a service's container."""
        return self.order("ps", "--all", "--quiet", service).strip()

    def image(self, service: str) -> str:
        """The image that a service's container was made of."""
        return self._inspected(self.number(service), "{{.Config.Image}}")

    def url(self, variable: str) -> str:
        """127.0.0.1 and the port that a variable names."""
        return f"http://127.0.0.1:{self.variables[variable]}"

    def _inspected(self, number: str, wanted: str) -> str:
        return self._docker.order("inspect", f"--format={wanted}", number).strip()

    def _restarts(self, number: str) -> int:
        return int(self._inspected(number, "{{.RestartCount}}"))

    def _lacking(self, wanted: Iterable[str]) -> list[str]:
        working = {each.service for each in self.containers() if each.works}
        return sorted(set(wanted) - working)

    def _told(self, service: str) -> str:
        said = self.order("logs", "--tail", "5", "--no-log-prefix", service).strip()
        return f"{service} does not work: {said[-700:]}"


def _is_started(service: Mapping[str, Any]) -> bool:
    return service.get("profiles", ["sim"]) == ["sim"] and bool(service.get("scale", 1))


def _container(said: Mapping[str, Any]) -> Container:
    return Container(said["Service"], said["State"], said["Health"], said["ExitCode"])


def _override(services: Mapping[str, Any], base: str) -> dict[str, Any]:
    """What is not as a user has it: what images are built on, and how many files may be open."""
    arguments = {"args": {"BASE": base}} if base else {}
    built = {name: {"build": arguments} for name, each in services.items() if "build" in each}
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # an engine that is not the machine's cannot raise it
    limited = {name: {"ulimits": {"nofile": most}} for name, each in services.items() if "ulimits" in each}
    return {"services": {**built, **limited}}


def _variables() -> dict[str, str]:
    """Ports that are free, images with a tag of their own, and feeds that talk to the simulator."""
    ports = set(re.findall(r"127\.0\.0\.1:\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text()))
    return {"K2_VERSION": VERSION, **_FEEDS, **{name: str(free_port()) for name in sorted(ports)}}
