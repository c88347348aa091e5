"""The compose file with real containers: all of it up, each service killed and replaced under load, down and up again.

A server whose image cannot be pulled is stood in for by the same server out of the embedded stack's parts. Where no
container can be run at all, nothing is, and the reason is said.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests
from tests.compose import images
from tests.compose.engine import Docker, NoEngineError, engine
from tests.compose.outside import Outside, environment
from tests.compose.project import SIMULATOR, VERSION, Project
from tests.contract.compose.composefile import read_with, seaweedfs_catalog
from tests.own_stack import folder_in
from tests.rounds import CONSOLE
from tests.steps import Steps

from k2_local.child import terminable
from k2_shared.core.errors import K2Error
from k2_support.children import wait_until

_PLAYED_S, _ANSWER_S, _MEASURED_S = 3600.0, 5, 120


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
        project = self._project
        self._step("docker compose up: every check is healthy", self._up)
        self._step("k2 resources: every service is measured", self._measured)
        for service in sorted(self._lasting):
            self._step(f"{service}: kill -9, started again by the engine", partial(project.kill, service))
        self._step("every service of ours replaced by its next image", self._upgrade)
        self._step("the venues have played everything", self._played)
        self._step("gold = recordings; tables = topics", lambda: self._equal(self._outside.settle()))
        self._step("down and up: nothing is lost", self._down_and_up)
        self._step("nine cold layers = warm", lambda: self._equal(self._outside.cold()))

    @property
    def _lasting(self) -> set[str]:
        """What may end and come again: a venue forgets what it has played, and what ends is there once."""
        return set(self._project.services) - self._project.once - {SIMULATOR}

    def _step(self, name: str, work: Callable[[], None]) -> None:
        with self.steps.step(name):
            work()

    def _up(self) -> None:
        self._project.order("up", "--detach", "--no-build")
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

    def _upgrade(self) -> None:
        following = f"{VERSION}-next"
        for image in self._project.built.values():
            self._docker.order("tag", f"{image}:{VERSION}", f"{image}:{following}")
        self._project.variables["K2_VERSION"] = following
        replaced = sorted(set(self._project.built) & self._lasting)
        self._project.order("up", "--detach", "--no-build", "--no-deps", *replaced)
        self._project.wait(replaced)

    def _played(self) -> None:
        wait_until(self._finished, _PLAYED_S, "the end of what the venues play", 1)

    def _finished(self) -> bool:
        answer = requests.get(f"{self._project.url('EXCHANGE_SIM_PORT')}/sim/status", timeout=_ANSWER_S)
        return bool(answer.json()["finished"])

    def _down_and_up(self) -> None:
        self._project.order("down", "--timeout", "60")
        servers = sorted(set(self._project.services) - {SIMULATOR})
        self._project.order("up", "--detach", "--no-build", *servers)
        self._project.wait(servers)
        self._equal(self._outside.settle())

    def _equal(self, found: list[str]) -> None:
        self.steps.unequal += found
        if found:
            raise K2Error("not equal")


def main() -> int:
    """Run the suite, report, and return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="make test-compose", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".k2/compose"), help="folder of the engine, images and logs")
    parser.add_argument("--minutes", type=float, default=8, help="how long the venues play (default 8)")
    plan = parser.parse_args()
    plan.state.mkdir(parents=True, exist_ok=True)
    try:
        with terminable(), engine(plan.state, CONSOLE.print) as docker:
            return _tried(docker, plan)
    except NoEngineError as error:
        CONSOLE.print(f"skipped: {error}")
        sys.stdout.write(json.dumps({"skipped": str(error)}) + "\n")
        return 0


def _tried(docker: Docker, plan: argparse.Namespace) -> int:
    folder = folder_in(plan.state, CONSOLE, "the project")
    base = images.base(docker, CONSOLE.print)
    given = {**_catalog(docker), "SIM_FIT_S": str(plan.minutes * 60)}
    project = Project(docker, f"k2-{folder.name.lower()}", folder, base, given)
    standing_in = images.stand_in(docker, project.services, base, CONSOLE.print)
    CONSOLE.print("building the services' images")
    project.order("build", "--quiet")
    trial = Trial(docker, project, Outside(environment(project.variables)))
    try:
        trial.run()
    except K2Error:
        project.keep_logs()
    finally:
        project.order("down", "--volumes", "--timeout", "60")
    _show(trial, standing_in)
    return int(bool(trial.steps.unequal))


def _catalog(docker: Docker) -> dict[str, str]:
    """The variables for the catalog: none for Lakekeeper; where its image cannot be had, those for SeaweedFS' own."""
    image = read_with({})["lakekeeper"]["image"]
    if images.is_here(docker, image):
        return {}
    CONSOLE.print(f"{image} cannot be pulled: the catalog is SeaweedFS' own, as .env.example says")
    return seaweedfs_catalog()


def _show(trial: Trial, standing_in: list[str]) -> None:
    trial.steps.show()
    for line in trial.steps.unequal:
        CONSOLE.print(line, style="red")
    found = {
        "steps": len(trial.steps.done),
        "kills": sum("kill -9" in name for name, *_ in trial.steps.done),
        "unequal": trial.steps.unequal,
        "stand_ins": standing_in,
        "catalog": "lakekeeper" if "lakekeeper" in trial.services else "seaweedfs",
        "minutes": round(sum(seconds for *_, seconds in trial.steps.done) / 60, 1),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    sys.exit(main())
