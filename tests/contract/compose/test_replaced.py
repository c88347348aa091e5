"""What K2's agents took the place of is nowhere in the compose file: Spark's streaming jobs, and Prefect."""

import json

import pytest
from tests.contract.compose.composefile import Compose

SPARK = {"spark-master", "spark-worker-1", "spark-worker-2"}


@pytest.mark.parametrize("number", range(1, 6))
def test_the_streaming_jobs_are_gone(compose: Compose, number: int) -> None:
    """Whatever one of the five would be called."""
    assert not [name for name in compose.services if name.endswith(f"-{number}") and name not in SPARK]


def test_no_service_is_a_streaming_job_of_spark(compose: Compose) -> None:
    """Neither by its name, nor by what it runs."""
    assert not [name for name in compose.services if "stream" in name or "job" in name]
    commands = json.dumps([[each.get("entrypoint"), each.get("command")] for each in compose.services.values()])
    assert "spark-submit" not in commands
    assert "stream" not in commands


@pytest.mark.parametrize("what", ["server", "agent"])
def test_there_is_no_prefect(compose: Compose, what: str) -> None:
    """Timers are the services' own."""
    assert f"prefect-{what}" not in compose.services
    assert "prefect" not in json.dumps(compose.services)


def test_spark_is_there_by_its_profile_alone(compose: Compose) -> None:
    """A plain ``up`` starts none of it; a maintenance has a driver of its own while it works."""
    of_spark = {name for name in compose.services if name.startswith("spark")}
    assert of_spark == SPARK
    assert all(compose.services[name]["profiles"] == ["batch"] for name in SPARK)
