"""What each component is meant to take is what compose lets it take, and all together is within the totals."""

from collections.abc import Iterable
from typing import Any

import pytest
from tests.contract.compose.composefile import Compose

from k2_local.spark_cluster import SparkCluster
from k2_local.stack import NAMES
from k2_shared.core.resources import Component, ResourceTarget, resources

FOUND = resources()
UNITS_MB = {"m": 1, "g": 1_024}
SPARK = {"maintenance", "spark-master", "spark-worker-1", "spark-worker-2"}
NOT_OURS_TO_KEEP = {"init", "exchange_sim"} | SPARK
"""What is built here, and is no process of ours that works all the time without Spark."""


def limits(service: dict[str, Any]) -> ResourceTarget:
    """The limits that compose gives a service."""
    size = service["mem_limit"]
    return ResourceTarget(service["cpus"], int(size[:-1]) * UNITS_MB[size[-1]])


def together(services: Iterable[dict[str, Any]]) -> ResourceTarget:
    """The limits of several services."""
    each = [limits(service) for service in services]
    return ResourceTarget(sum(one.cpus for one in each), sum(one.memory_mb for one in each))


def is_within(what: ResourceTarget, total: ResourceTarget) -> bool:
    """Whether both numbers are at most those of a total."""
    return what.cpus <= total.cpus and what.memory_mb <= total.memory_mb


def test_every_service_has_its_target_as_its_limits(compose: Compose) -> None:
    """The same number of CPUs and MB, by default."""
    assert {name: limits(service) for name, service in compose.services.items()} == {
        name: each.target for name, each in FOUND.components.items() if name in compose.services
    }


def test_every_component_is_somewhere() -> None:
    """A part of the local stack or of its Spark cluster has its component, and two never share one."""
    parts = {*NAMES, *(kind.name for kind in SparkCluster.kinds)}
    found = {part: FOUND.find(part) for part in parts}
    assert [part for part, each in found.items() if each is None] == []
    assert len({each.name for each in found.values() if each}) == len(parts)


def test_a_component_that_nothing_runs_has_no_target(compose: Compose) -> None:
    """Each is a service of compose or a part of the local stack."""
    assert [
        each.name for each in FOUND.components.values() if each.name not in compose.services and each.part not in NAMES
    ] == []


def test_what_is_ours_and_what_is_batch_is_marked(compose: Compose) -> None:
    """As the file has it: what is built from services/, and what the profile ``batch`` starts."""
    assert {each.name for each in FOUND.components.values() if each.own} == set(compose.ours) - NOT_OURS_TO_KEEP
    batch = {name for name, service in compose.services.items() if service.get("profiles") == ["batch"]}
    assert {each.name for each in FOUND.components.values() if each.batch} == batch


def test_the_limits_together_are_within_the_totals(compose: Compose) -> None:
    """Without the profile ``batch`` and with it, every other profile included; and our own processes."""
    plain = [service for service in compose.services.values() if service.get("profiles") != ["batch"]]
    own = [service for name, service in compose.services.items() if FOUND.components[name].own]
    assert is_within(together(plain), FOUND.plain)
    assert is_within(together(compose.services.values()), FOUND.batch)
    assert is_within(together(own), FOUND.own)


def test_the_totals_are_those_that_were_promised() -> None:
    """17.5 CPUs and 20 GB, 22 and 26 with ``batch``, and 4 and 6 of our own."""
    assert (FOUND.plain, FOUND.batch) == (ResourceTarget(17.5, 20 * 1_024), ResourceTarget(22, 26 * 1_024))
    assert FOUND.own == ResourceTarget(4, 6 * 1_024)


@pytest.mark.parametrize(
    ("name", "cpus", "memory_mb"),
    [("seaweedfs", 0.5, 1_024), ("postgres", 0.5, 512), ("lakekeeper", 0.5, 512), ("silver", 0.5, 512)],
)
def test_what_was_promised_of_single_components_is_kept(name: str, cpus: float, memory_mb: int) -> None:
    """To the number."""
    assert FOUND.components[name].target == ResourceTarget(cpus, memory_mb)


def test_a_component_is_found_by_either_name() -> None:
    """Of compose and of the local stack; a strange name finds none."""
    by_service, by_part = FOUND.find("seaweedfs"), FOUND.find("seaweed")
    assert isinstance(by_service, Component)
    assert by_service is by_part
    assert FOUND.find("feed_kraken") is FOUND.components["feed_kraken"]
    assert FOUND.find("nginx") is None
