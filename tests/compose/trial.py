"""What is done with one project of containers, from nothing to its end, and what came of each step."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import requests
from tests.compose.engine import Docker
from tests.compose.outside import Outside
from tests.compose.project import SIMULATOR, VERSION, Project
from tests.contract.compose.composefile import ROOT
from tests.steps import Steps

from k2_shared.core.contracts import venues
from k2_shared.core.errors import K2Error
from k2_support.children import wait_until

_PLAYED_S, _MAINTAINED_S, _ANSWER_S, _MEASURED_S = 3600.0, 1200.0, 5, 120
_FOLLOWING = f"{VERSION}-next"
_CLUSTER = ("spark-master", "spark-worker-1", "spark-worker-2")
_COLD = """
import json
from k2.demo.cold import ColdTier
print(json.dumps([(each.layer, each.warm, each.cold, each.equal) for each in ColdTier({}).read()]))
"""
_ON_THE_CLUSTER = {"SPARK_MASTER": "spark://spark-master:7077", "MAINTENANCE_SCHEDULE": "* * * * *"}


class Trial:
    """One project from nothing to its end, and what came of each step."""

    def __init__(self, docker: Docker, project: Project, outside: Outside) -> None:
        self._docker, self._project, self._outside = docker, project, outside
        self.steps = Steps("the compose file, with real containers")

    @property
    def services(self) -> list[str]:
        """What is started."""
        return sorted(self._project.services)

    def run(self) -> None:
        """Every step, in order; the first that does not hold ends it."""
        self._step("docker compose up: every check is healthy", self._up)
        self._step("k2 resources: every service is measured", self._measured)
        for service in sorted(self._lasting):
            self._step(f"{service}: kill -9, started again by the engine", partial(self._kill, service))
        self._step("every image of ours under its next name", self._name_next)
        for service in upgraded():
            self._step(f"{service}: replaced by its next image", partial(self._replace, service))
        self._step("the venues have played everything", self._played)
        self._step("gold = recordings; tables = topics", lambda: self._equal(self._outside.settle()))
        self._step("down and up: nothing is lost", self._down_and_up)
        self._step("nine cold layers = warm", lambda: self._equal(self._cold()))
        self._step("the maintenance works on the cluster of profile batch", self._maintained)
        self._step("tables = topics, nine cold layers = warm", lambda: self._equal(self._compared()))

    @property
    def _lasting(self) -> set[str]:
        """What may end and come again: a venue forgets what it has played, and what ends is there once."""
        return set(self._project.services) - self._project.once - {SIMULATOR}

    def _step(self, name: str, work: Callable[[], None]) -> None:
        with self.steps.step(name):
            work()

    def _up(self) -> None:
        self._project.start()
        self._project.wait()

    def _measured(self) -> None:
        command = [sys.executable, "-m", "k2", "resources", "--compose", self._project.name, "--json"]
        told = {**os.environ, **self._docker.environment}
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=_MEASURED_S, check=False)
        if not done.stdout:
            raise K2Error(done.stderr.strip())
        found = json.loads(done.stdout)["components"]
        running = sorted(set(self._project.services) - self._project.once)
        self._equal([f"{name} is not measured" for name in running if found.get(name, {}).get("memory_mb") is None])

    def _kill(self, service: str) -> None:
        self._project.kill(service)
        self._is_loaded()

    def _name_next(self) -> None:
        for image in self._project.built.values():
            self._docker.order("tag", f"{image}:{VERSION}", f"{image}:{_FOLLOWING}")
        self._project.variables["K2_VERSION"] = _FOLLOWING

    def _replace(self, service: str) -> None:
        project, wanted = self._project, f"{self._project.built[service]}:{_FOLLOWING}"
        before = project.number(service)
        project.start("--no-deps", service)
        project.wait([service])
        if project.number(service) == before or project.image(service) != wanted:
            raise K2Error(f"{service} still is a container of {project.image(service)}")
        self._is_loaded()

    def _is_loaded(self) -> None:
        """What was done was done under load.

        Raises:
            K2Error: the venues had nothing more to send.
        """
        if self._finished():
            raise K2Error("the venues have nothing more to send: give more minutes by ARGS='--minutes …'")

    def _played(self) -> None:
        wait_until(self._finished, _PLAYED_S, "the end of what the venues play", 1)

    def _finished(self) -> bool:
        with suppress(requests.RequestException):  # it has too much to do to answer: it is not at its end
            answer = requests.get(f"{self._project.url('EXCHANGE_SIM_PORT')}/sim/status", timeout=_ANSWER_S)
            return bool(answer.json()["finished"])
        return False

    def _down_and_up(self) -> None:
        """All but the venues, which would play again, and the feeds, which are not healthy without them."""
        self._project.order("down", "--timeout", "60")
        feeds = {venue.service for venue in venues().values()}
        without_venues = sorted(set(self._project.services) - feeds - {SIMULATOR})
        self._project.start(*without_venues)
        self._project.wait(without_venues)
        self._equal(self._outside.settle())

    def _maintained(self) -> None:
        self._project.profiles.append("batch")
        self._project.variables |= _ON_THE_CLUSTER
        started = [*_CLUSTER, "maintenance"]
        self._project.start(*started)
        self._project.wait(started)
        wait_until(self._has_maintained, _MAINTAINED_S, "a maintenance that did all of its steps", 5)
        said = requests.get(f"{self._project.url('SPARK_WEB_PORT')}/json/", timeout=_ANSWER_S).json()
        alive = [each["host"] for each in said["workers"] if each["state"] == "ALIVE"]
        ended = {each["state"] for each in said["completedapps"]}
        if sorted(alive) != sorted(_CLUSTER[1:]) or ended != {"FINISHED"}:
            raise K2Error(f"Spark's master has workers {alive} and applications that ended {ended}")

    def _has_maintained(self) -> bool:
        with suppress(requests.RequestException):
            page = requests.get(f"{self._project.url('MAINTENANCE_PORT')}/metrics", timeout=_ANSWER_S).text
            return "k2_maintenance_failed 0.0" in page and "k2_maintenance_duration_seconds 0.0" not in page
        return False

    def _compared(self) -> list[str]:
        return [*self._outside.settle(), *self._cold()]

    def _cold(self) -> list[str]:
        """Offload every hour, and compare both tiers: within, where ClickHouse reaches the store as it is told.

        A line for each layer that differs.
        """
        words = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "python", "init", "-c", _COLD)
        rows = json.loads(self._project.order(*words).splitlines()[-1])
        return [f"cold layer {layer}: warm {warm}, cold {cold}" for layer, warm, cold, equal in rows if not equal]

    def _equal(self, found: list[str]) -> None:
        self.steps.unequal += found
        if found:
            raise K2Error("not equal")


def upgraded() -> list[str]:
    """The services in the order in which deploy/README.md has them upgraded."""
    (line,) = re.findall(
        r"^ +for each in (iceberg_sink .*); do$", (ROOT / "deploy/README.md").read_text(), re.MULTILINE
    )
    return line.split()
