"""What containers take, as the docker command line says it: here a program that prints what Docker 28 does."""

import os
from pathlib import Path

import pytest

from k2.resources.containers import measured
from k2.resources.facts import Measured, Usage, reported
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.resources import resources

GOLD, SECOND_GOLD, KAFKA, ENDED = ("a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32)
STOPPED = "e5" * 32
PS = (
    f"{GOLD}\trunning\tgold\tFalse\n{SECOND_GOLD}\trunning\tgold\tFalse\n"
    f"{KAFKA}\trunning\tkafka\tFalse\n{ENDED}\trunning\toffload\tFalse\n"
)
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
  inspect) cat "{folder}/inspect" ;;
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


def stopped(folder: Path, service: str, *ended: str, by_hand: bool = False) -> None:
    """Have a container of a service not run: its state, its exit code, and its restart policy."""
    (folder / "ps").write_text(f"{PS}{STOPPED}\t{ended[0]}\t{service}\t{by_hand}\n")
    (folder / "inspect").write_text("\t".join((STOPPED, *ended)) + "\n")


def test_each_service_takes_what_its_containers_take(docker: Path) -> None:
    """In CPUs, and in MB of 1,048,576 bytes."""
    found = {each.name: each.usage for each in measured("k2")}
    assert found["gold"] == Usage(pytest.approx(0.1275), pytest.approx(96 + 1.5 / 1_024))
    assert found["kafka"] == Usage(1.5, 768.0)


def test_a_container_that_ended_meanwhile_takes_nothing(docker: Path) -> None:
    """It says so."""
    (found,) = (each for each in measured("k2") if each.name == "offload")
    assert (found.usage, found.fault) == (None, "its container ended while it was measured")


@pytest.mark.parametrize(
    ("service", "ended"),
    [
        ("silver", ("exited", "0", "unless-stopped")),
        ("silver", ("exited", "137", "unless-stopped")),
        ("silver", ("restarting", "3", "unless-stopped")),
        ("silver", ("created", "0", "unless-stopped")),
        ("silver", ("paused", "0", "unless-stopped")),
        ("init", ("exited", "2", "no")),
        ("init", ("created", "0", "no")),
        ("gold", ("exited", "1", "unless-stopped")),
    ],
)
def test_a_service_with_a_container_that_does_not_run_is_a_fault(
    docker: Path, service: str, ended: tuple[str, ...]
) -> None:
    """Also one that ended in order; what was there once and failed; one of two containers. The verdict says so."""
    stopped(docker, service, *ended)
    (found,) = (each for each in measured("k2") if each.name == service)
    says_how = f"its container is {ended[0]}, exit code {ended[1]}: 'docker compose logs {service}' says why"
    assert (found.usage, found.fault.split(", 'docker compose up")[0]) == (None, says_how)
    report = reported([found, Measured("kafka", Usage(0.1, 100.0))], 1.0, resources())
    assert report.exit_code == 1
    assert STOPPED not in (docker / "asked").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("ended", "by_hand"),
    [(("exited", "0", "no"), False), (("exited", "0", ""), False), (("exited", "130", "no"), True)],
)
def test_what_has_done_its_one_thing_is_no_component(docker: Path, ended: tuple[str, ...], by_hand: bool) -> None:
    """Its service is never started again, and it ended with 0; or somebody ran it by hand."""
    stopped(docker, "init", *ended, by_hand=by_hand)
    assert [each.name for each in measured("k2")] == ["gold", "kafka", "offload"]


def test_a_project_that_was_stopped_is_named(docker: Path) -> None:
    """As one that was never started: nothing of it can be measured."""
    stopped(docker, "gold", "exited", "0", "unless-stopped")
    (docker / "ps").write_text(f"{STOPPED}\texited\tgold\tFalse\n")
    with pytest.raises(Unavailable, match=r"no container of the compose project 'k2' runs"):
        measured("k2")


def test_the_containers_of_the_project_alone_are_asked_for(docker: Path) -> None:
    """By compose's own labels, which need no compose file."""
    measured("another")
    listed, asked = (docker / "asked").read_text().splitlines()
    assert listed.startswith("ps --all ")
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
