"""What containers take, as the docker command line says it: here a program that prints what Docker 28 does."""

import os
from pathlib import Path

import pytest

from k2.resources.containers import measured
from k2.resources.facts import Usage
from k2_shared.core.errors import ConfigError, Unavailable

GOLD, SECOND_GOLD, KAFKA, ENDED = ("a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32)
PS = f"{GOLD}\tgold\n{SECOND_GOLD}\tgold\n{KAFKA}\tkafka\n{ENDED}\toffload\n"
STATS = (
    f"{GOLD}\t12.50%\t96MiB / 512MiB\n"
    f"{SECOND_GOLD}\t0.25%\t1.5KiB / 512MiB\n"
    f"{KAFKA}\t150.00%\t0.75GiB / 1GiB\n"
    f"{ENDED}\t--\t-- / --\n"
)
PRINTS = """#!/bin/sh
echo "$@" >> "{folder}/asked"
case "$1" in
  ps) cat "{folder}/ps" ;;
  stats) cat "{folder}/stats" ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker of which two containers are gold's; what it prints stands in files of the folder that is returned."""
    (tmp_path / "ps").write_text(PS)
    (tmp_path / "stats").write_text(STATS)
    says(tmp_path, PRINTS.format(folder=tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def says(folder: Path, script: str) -> None:
    """Have docker be another script."""
    program = folder / "docker"
    program.write_text(script)
    program.chmod(0o700)


def test_each_service_takes_what_its_containers_take(docker: Path) -> None:
    """In CPUs, and in MB of 1,048,576 bytes."""
    found = {each.name: each.usage for each in measured("k2")}
    assert found["gold"] == Usage(pytest.approx(0.1275), pytest.approx(96 + 1.5 / 1_024))
    assert found["kafka"] == Usage(1.5, 768.0)


def test_a_container_that_ended_meanwhile_takes_nothing(docker: Path) -> None:
    """It says so."""
    (found,) = (each for each in measured("k2") if each.name == "offload")
    assert (found.usage, found.fault) == (None, "its container ended while it was measured")


def test_the_containers_of_the_project_alone_are_asked_for(docker: Path) -> None:
    """By compose's own labels, which need no compose file."""
    measured("another")
    listed, asked = (docker / "asked").read_text().splitlines()
    assert "label=com.docker.compose.project=another" in listed
    assert asked.endswith(f"{GOLD} {SECOND_GOLD} {KAFKA} {ENDED}")


def test_a_project_of_which_nothing_runs_is_named(docker: Path) -> None:
    """With what starts it."""
    (docker / "ps").write_text("")
    with pytest.raises(Unavailable, match=r"no container of the compose project 'k2' runs: 'docker compose up -d'"):
        measured("k2")


def test_what_docker_says_of_a_failure_is_said(docker: Path) -> None:
    """As where its daemon does not run."""
    says(docker, "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    with pytest.raises(Unavailable, match="docker ps failed: Cannot connect to the Docker daemon"):
        measured("k2")


def test_without_docker_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers are measured where they run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="docker is not installed here: measure where the containers run"):
        measured("k2")
