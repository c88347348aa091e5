"""The compose file has every service of the project, with its real settings, inside safe limits."""

import os
import re
import shutil
import subprocess
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.contract.compose.composefile import DONE, HEALTHY, ROOT, Compose, seaweedfs_catalog

from exchange_sim.settings import SimSettings
from k2.init import InitSettings
from k2_shared.core.settings import Settings

ONCE = {"lakekeeper-database", "lakekeeper-migrate", "lakekeeper-warehouse", "init"}
"""What does its work and ends."""
SERVICES = sorted(folder.parent.name for folder in (ROOT / "services").glob("*/pyproject.toml"))
SPARK = {"spark-master", "spark-worker-1", "spark-worker-2"}
SERVERS = (
    {"kafka", "registry", "postgres", "seaweedfs", "clickhouse", "lakekeeper", "console"}
    | SPARK
    | {
        "prometheus",
        "alertmanager",
        "grafana",
    }
)

KEPT = {
    "kafka": "/var/lib/kafka/data",
    "postgres": "/var/lib/postgresql/data",
    "seaweedfs": "/data",
    "clickhouse": "/var/lib/clickhouse",
    "prometheus": "/prometheus",
    "alertmanager": "/alertmanager",
    "grafana": "/var/lib/grafana",
    "maintenance": "/work",
    "spark-worker-1": "/work",
    "spark-worker-2": "/work",
}
"""Who holds what its container must not take with it, and in which folder."""


def settings_of(service: str) -> type[Settings]:
    """The settings class that a service loads: for agents, what the composition root takes."""
    if service == "exchange_sim":
        return SimSettings
    if service == "k2":
        return InitSettings
    found: type[Settings] = get_type_hints(import_module(f"{service}.main").compose)["settings"]
    return found


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def test_services(compose: Compose) -> None:
    """Every service of the project is there once, and nothing but it and the servers."""
    assert sorted(compose.ours.values()) == SERVICES
    assert set(compose.services) - set(compose.ours) == SERVERS | ONCE - {"init"}


@pytest.mark.parametrize("service", SERVICES)
def test_variables_are_settings(compose: Compose, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's variables are all its settings but paths and failpoints; their defaults are allowed values."""
    (name,) = (name for name, folder in compose.ours.items() if folder == service)
    environment = compose.services[name]["environment"]
    settings = settings_of(service)
    fields = {field.upper() for field, info in settings.model_fields.items() if "Path" not in str(info.annotation)}
    assert set(environment) == fields - {"K2_FAILPOINT"}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, str(value or ""))
    settings.load()


def test_defaults_are_the_services_own(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not an address, a credential or a port has the default that the code has."""
    own = {
        "SINK",
        "FEED",
        "SILVER",
        "GOLD",
        "CHECKPOINT",
        "BREAKER",
        "KRAKEN",
        "BINANCE",
        "LAG",
        "WARM",
        "LOG",
        "MAINTENANCE",
        "OFFLOAD",
        "SHUTDOWN",
    }
    for name, folder in compose.ours.items():
        settings = settings_of(folder)
        for variable, value in compose.services[name]["environment"].items():
            if variable.split("_")[0] in own:
                monkeypatch.setenv(variable, str(value))
                assert_default(settings, variable.lower(), monkeypatch)


def assert_default(settings: type[Settings], field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as bare:
        given = getattr(settings.load(**required(settings)), field)
        bare.delenv(field.upper())
        assert getattr(settings.load(**required(settings)), field) == given, field


def required(settings: type[Settings]) -> dict[str, int]:
    """Values for the fields that have no default; all of them are ports."""
    return {name: 1 for name, info in settings.model_fields.items() if info.is_required()}


def test_example_lists_every_variable(compose: Compose, example: dict[str, str]) -> None:
    """.env.example has exactly the file's variables, each with its one default."""
    assert {name: {value} for name, value in example.items()} == compose.variables


def test_ports_are_local(compose: Compose) -> None:
    """No port is open to other machines."""
    ports = [port for service in compose.services.values() for port in service.get("ports", ())]
    assert len({port.split(":")[1] for port in ports}) == len(ports)
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("key", ["restart", "cpus", "mem_limit", "stop_grace_period"])
def test_limits(compose: Compose, key: str) -> None:
    """Everything has a restart policy, limits of CPUs and memory, and time to end."""
    assert [name for name, service in compose.services.items() if not service.get(key)] == []


def test_health_is_checked(compose: Compose) -> None:
    """The servers have a check in the file, the services the one of their image, and only what ends has none."""
    checked = {name: service["healthcheck"] for name, service in compose.services.items() if "healthcheck" in service}
    assert set(checked) == SERVERS | ONCE | {"maintenance"}  # of Spark's image, which has no check of its own
    assert {name for name, check in checked.items() if check == {"disable": True}} == ONCE
    assert "\nHEALTHCHECK " in (ROOT / "deploy/docker/Dockerfile").read_text()


def test_grace(compose: Compose) -> None:
    """Docker waits longer for a service's end than the service allows itself."""
    for name in compose.ours:
        service = compose.services[name]
        own = service["environment"].get("SHUTDOWN_GRACE_S", 0)
        assert seconds(service["stop_grace_period"]) > float(own), name


def test_what_is_in_the_environments_file_is_checked_before_anything_starts(compose: Compose) -> None:
    """Compose gives a service only what is written for it, so init alone would see a misspelt name."""
    assert compose.services["init"]["env_file"] == [{"path": ".env", "required": False}]
    assert [name for name, service in compose.services.items() if "env_file" in service] == ["init"]


def test_order(compose: Compose) -> None:
    """The registry waits for its healthy database, init for healthy servers and the warehouse, agents for init."""
    servers = dict.fromkeys(("kafka", "registry", "seaweedfs", "clickhouse"), HEALTHY)
    assert compose.services["init"]["depends_on"] == {**servers, "lakekeeper-warehouse": DONE}
    assert compose.before("registry") == {"postgres": HEALTHY}
    for name in set(compose.ours) - {"init", "exchange_sim"}:
        assert compose.services[name]["depends_on"] == {"init": DONE}


def test_state_is_kept(compose: Compose) -> None:
    """Each server that holds data has it in a named volume of its own, nobody else has one, and every one is used."""
    kept = {name: compose.mounted(name) for name in compose.services if compose.mounted(name)}
    assert {name: list(volumes.values()) for name, volumes in kept.items()} == {
        name: [folder] for name, folder in KEPT.items()
    }
    assert sorted(volume for volumes in kept.values() for volume in volumes) == sorted(compose.content["volumes"])


def test_docker_reads_it() -> None:
    """``docker compose config`` finds nothing wrong, with each profile and without, on either catalog."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    profiles = ([], *(["--profile", name] for name in ("sim", "monitoring", "batch", "console")))
    for profile, changed in product(profiles, ({}, seaweedfs_catalog())):
        command = [docker, "compose", "--env-file", ".env.example", *profile, "config", "-q"]
        told = {**os.environ, **changed}
        done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_dockerfile_builds_services_that_exist(compose: Compose) -> None:
    """Every service but Spark's is built by the one Dockerfile, whose copied paths exist and are not ignored."""
    for name in compose.built:
        folder = "spark" if name == "maintenance" else "docker"
        assert compose.services[name]["build"]["dockerfile"] == f"deploy/{folder}/Dockerfile", name
    copied = re.findall(r"^COPY (?!--)(\S+) ", (ROOT / "deploy/docker/Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied
    for path in copied:
        for service in SERVICES:
            assert (ROOT / path.replace("${SERVICE}", service)).exists(), path
        shown = [line.removeprefix("!") for line in ignored if line.startswith("!")]
        assert any(Path(path).is_relative_to(each) or Path(each).is_relative_to(path) for each in shown), path


@pytest.mark.parametrize("dockerfile", ["deploy/docker", "deploy/spark", "tests/compose/standins"])
def test_what_a_dockerfile_installs_reaches_its_build(dockerfile: str) -> None:
    """The description and the source of each package that it installs from a folder are let through .dockerignore."""
    installed = set(
        re.findall(r"\./([a-z]+(?:/[a-z]+)*)(?![a-z/.]*\.lock)", (ROOT / dockerfile / "Dockerfile").read_text())
    )
    shown = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert installed >= {"shared"}
    for package in installed - {"services"}:
        assert {f"{package}/pyproject.toml", f"{package}/src"} <= shown, package
