"""The Spark cluster of the compose file: the local one's daemons in one image, which a plain up does not start."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.contract.compose.composefile import ROOT, Compose
from tests.contract.programs import loaded

from k2_local import StackSettings
from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.parts import Part, Site
from k2_local.spark import FirstWorker, SecondWorker, SparkMaster
from k2_shared.batch.settings import SparkSettings
from k2_support.spark_master import said, web_ui, worker

DOCKERFILE = ROOT / "deploy/spark/Dockerfile"
DAEMONS: Mapping[str, type[Part]] = {part.name: part for part in (SparkMaster, FirstWorker, SecondWorker)}
WORKERS = sorted(DAEMONS.keys() - {SparkMaster.name})
HOME = Path("/opt/k2/spark")
PLACES = {"--work-dir", "--host", "--memory", "--cores"}
"""Options whose values are of the place: what they are is tested elsewhere."""


def megabytes(size: str) -> int:
    """MiB of a size as Docker and Java write it."""
    return int(size[:-1]) * {"m": 1, "g": 1_024}[size[-1]]


def options(command: list[str]) -> dict[str, str]:
    """The options of a daemon, and their values."""
    return {name: value for name, value in pairwise(command) if name.startswith("--")}


def test_a_plain_up_starts_no_spark(compose: Compose) -> None:
    """Each has the profile batch alone, and nothing without a profile waits for one, which would start it."""
    assert [compose.services[name]["profiles"] for name in DAEMONS] == [["batch"]] * len(DAEMONS)
    plain = [service for service in compose.services.values() if "profiles" not in service]
    assert {name for service in plain for name in service.get("depends_on", ())} & DAEMONS.keys() == set()


def test_there_is_one_image(compose: Compose) -> None:
    """Master and workers are told apart by their commands."""
    images = {(each["image"], each["build"]["dockerfile"]) for each in map(compose.services.__getitem__, DAEMONS)}
    assert images == {("k2-spark:dev", "deploy/spark/Dockerfile")}


@pytest.fixture
def local_site(tmp_path: Path) -> Site:
    """A local cluster with the ports of the containers."""
    ports = {"spark": 7_077, "spark_web": 8_080, "spark_worker_1": 7_078, "spark_worker_1_web": 8_081}
    ports |= {"spark_worker_2": 7_078, "spark_worker_2_web": 8_081}
    return Site(StackSettings.load(k2_state_dir=tmp_path), Identity("", "", ""), ports)


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_is_the_local_clusters(compose: Compose, local_site: Site, name: str) -> None:
    """The same class with the same options of Java and the same arguments; only addresses and folders differ."""
    local = DAEMONS[name](local_site).prepare(Downloads(spark_home=HOME)).argv
    command: list[str] = compose.services[name]["command"]
    first = local.index("--host")
    assert command[1:first] == local[1:first]
    assert options(command).keys() == options(local).keys()
    assert {each: value for each, value in options(command).items() if each not in PLACES} == {
        each: value for each, value in options(local).items() if each not in PLACES
    }


def test_the_images_environment_is_that_of_the_local_daemons(local_site: Site) -> None:
    """Executors inherit it; only where they listen is said by their worker's name."""
    (stated,) = re.findall(r"^ENV (JAVA_HOME=(?:.*\\\n)*.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    image = dict(each.split("=", 1) for each in stated.replace("\\", "").split())
    local = SparkMaster(local_site).prepare(Downloads(spark_home=HOME)).environ
    assert {**local, "JAVA_HOME": "/opt/k2/java"}.items() - image.items() == {("SPARK_LOCAL_IP", "127.0.0.1")}


@pytest.mark.parametrize("name", DAEMONS)
def test_who_a_daemon_says_it_is_others_find(compose: Compose, name: str) -> None:
    """Its host is its name in the file's network, and workers look for the master there."""
    command = compose.services[name]["command"]
    assert options(command)["--host"] == name
    assert name == SparkMaster.name or command[-1] == f"spark://{SparkMaster.name}:7077"


@pytest.mark.parametrize("name", WORKERS)
def test_what_a_worker_lends_it_has(compose: Compose, name: str) -> None:
    """Cores; and of its memory what is left beside its own Java, of which an executor has a fifth besides its heap."""
    service = compose.services[name]
    given = options(service["command"])
    assert (service["cpus"], given["--cores"]) == (2, "2")
    assert service["mem_limit"] == "3g"
    assert megabytes(given["--memory"]) * 1.2 + 2 * 256 <= megabytes(service["mem_limit"])


@pytest.mark.parametrize("name", WORKERS)
def test_the_executor_of_a_driver_fits_into_a_worker(compose: Compose, name: str) -> None:
    """Else it would wait for ever: both read the same variable, which has the setting's default."""
    assert options(compose.services[name]["command"])["--memory"] == SparkSettings.load().spark_executor_memory
    assert "SPARK_EXECUTOR_MEMORY" in compose.variables


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_writes_where_it_may(compose: Compose, name: str) -> None:
    """To /tmp and, where it has executors, to their volume alone."""
    service = compose.services[name]
    assert service["tmpfs"] == ["/tmp:exec"]  # noqa: S108  # the container's own
    volumes = service.get("volumes", ())
    assert [volume.rpartition(":")[2] for volume in volumes] == (["/work"] if name in WORKERS else [])


def test_only_the_masters_web_ui_is_published(compose: Compose) -> None:
    """On this machine."""
    published = {name: compose.services[name]["ports"] for name in DAEMONS if "ports" in compose.services[name]}
    assert published == {SparkMaster.name: ["127.0.0.1:8080:8080"]}


def test_workers_wait_for_a_healthy_master(compose: Compose) -> None:
    """A check of it is at its own Web UI, theirs at the same, since only the master knows whether it counts on them."""
    for name in WORKERS:
        service = compose.services[name]
        assert service["depends_on"] == {SparkMaster.name: {"condition": "service_healthy"}}
        assert service["healthcheck"]["test"][-2:] == [f"http://{SparkMaster.name}:8080", name]
    assert compose.services[SparkMaster.name]["healthcheck"]["test"][-1] == "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    """The program by which the image is checked."""
    return loaded(ROOT / "deploy/spark/healthcheck.py")


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Iterator[str]:
    """A master that says what the test wants."""
    with web_ui(request.param) as port:
        yield f"http://127.0.0.1:{port}"


HEALTHY: Any = said("spark://m:7077", [worker(7_078, host="one"), worker(7_078, "DEAD", host="two")])


@pytest.mark.parametrize("web", [HEALTHY], indirect=True)
def test_a_check_is_true(healthcheck: ModuleType, web: str) -> None:
    """Of the master, of a worker that it gives work, of one that it has lost, of one that it never knew."""
    asked = [[], ["one"], ["two"], ["three"]]
    assert [healthcheck.alive(web, workers) for workers in asked] == [True, True, False, False]


@pytest.mark.parametrize("web", [{**HEALTHY, "status": "STANDBY"}, {}, "nothing"], indirect=True, ids=json.dumps)
def test_what_is_no_living_master_is_not_healthy(healthcheck: ModuleType, web: str) -> None:
    """Whatever it says instead, also nothing."""
    assert not healthcheck.alive(web, [])
    assert not healthcheck.alive("http://127.0.0.1:1", [])


def test_what_the_image_copies_is_there() -> None:
    """And reaches the build."""
    copied = re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE.read_text(), re.MULTILINE)
    shown = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert copied
    for path in (each.replace("${SERVICE}", "maintenance") for each in copied):
        assert (ROOT / path).exists(), path
        assert any(Path(path).is_relative_to(each) or Path(each).is_relative_to(path) for each in shown), path
    for needed in ("requirements.lock", "pyproject.toml", "src", "healthcheck.py"):
        assert f"deploy/spark/{needed}" in shown


def test_executors_folder_is_theirs() -> None:
    """Who is not root."""
    assert "install --directory --owner=k2 --group=k2 /work" in DOCKERFILE.read_text()


def test_icebergs_jars_are_where_drivers_look_for_them() -> None:
    """Those that are pinned, in the folder that ``SPARK_JARS`` names on every machine."""
    text = DOCKERFILE.read_text()
    assert "Cache(Path('/opt/fetched'), print).jars('spark')" in text
    assert "mv /opt/fetched/jars /opt/k2/jars" in text
    assert "SPARK_JARS=/opt/k2/jars" in text
