"""The page over the topics in the compose file: by its profile alone, for reading, on this machine."""

from typing import Any

import pytest
from tests.contract.compose.composefile import HEALTHY, Compose


@pytest.fixture
def console(compose: Compose) -> dict[str, Any]:
    found: dict[str, Any] = compose.services["console"]
    return found


def test_a_plain_up_starts_none(console: dict[str, Any], compose: Compose) -> None:
    """It comes with its profile, after the servers that it shows, and nothing waits for it."""
    assert console["profiles"] == ["console"]
    assert console["depends_on"] == {"kafka": HEALTHY, "registry": HEALTHY}
    assert "console" not in {name for service in compose.services for name in compose.before(service)}


def test_it_shows_the_broker_and_the_registry_of_the_file(console: dict[str, Any], compose: Compose) -> None:
    """At the addresses that our services use by default."""
    told, ours = console["environment"], compose.services["silver"]["environment"]
    assert told["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == ours["KAFKA_BOOTSTRAP_SERVERS"]
    assert told["KAFKA_CLUSTERS_0_SCHEMAREGISTRY"] == ours["SCHEMA_REGISTRY_URL"]


def test_it_changes_nothing(console: dict[str, Any]) -> None:
    """It refuses what would write to topics, groups and subjects, keeps no settings, and asks nobody else."""
    told = console["environment"]
    assert told["KAFKA_CLUSTERS_0_READONLY"] == "true"
    assert told["DYNAMIC_CONFIG_ENABLED"] == told["GITHUB_RELEASE_INFO_ENABLED"] == "false"
    assert "volumes" not in console


def test_it_is_limited(console: dict[str, Any]) -> None:
    """It writes to /tmp alone, and its heap leaves room for the rest of Java."""
    assert console["tmpfs"] == ["/tmp:exec"]  # noqa: S108  # the container's own
    assert (console["mem_limit"], console["cpus"]) == ("512m", 0.5)
    assert "-Xmx256m" in console["environment"]["JAVA_OPTS"]


def test_it_is_published_on_this_machine_where_its_check_asks(console: dict[str, Any]) -> None:
    """Its own page of health, inside of the container."""
    assert console["ports"] == ["127.0.0.1:8082:8080"]
    assert console["healthcheck"]["test"][-1].endswith(" http://127.0.0.1:8080/actuator/health")
