"""The compose file with real containers: all of it up, each service killed and replaced under load, down and up again.

A server whose image cannot be pulled is stood in for by the same server out of the embedded stack's parts. Where no
container can be run at all, nothing is, and the reason is said.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.compose import images
from tests.compose.engine import Docker, NoEngineError, engine
from tests.compose.outside import Outside, environment
from tests.compose.project import Project
from tests.compose.trial import Trial
from tests.contract.compose.composefile import read_with, seaweedfs_catalog
from tests.own_stack import folder_in
from tests.rounds import CONSOLE

from k2_local.child import terminable
from k2_shared.core.errors import K2Error

_PLAYS_ONCE = {"SIM_AS_LIVE": "false", "SIM_SPEED": "fit"}


def main() -> int:
    """Run the suite, report, and return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="make test-compose", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".k2/compose"), help="folder of the engine, images and logs")
    parser.add_argument("--minutes", type=float, default=12, help="how long the venues play (default 12)")
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
    given = {**_catalog(docker), **_PLAYS_ONCE, "SIM_FIT_S": str(plan.minutes * 60)}
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
