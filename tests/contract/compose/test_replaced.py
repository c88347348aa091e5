"""What K2's agents took the place of is nowhere in the compose file: Spark's streaming jobs, and Prefect."""

import json
import re

import pytest
from tests.contract.compose.composefile import ROOT, Compose

SPARK = {"spark-master", "spark-worker-1", "spark-worker-2"}
JOBS = range(1, 6)
PREFECT = ("server", "agent")
WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PAGE = (ROOT / "deploy/README.md").read_text()


def jobs(compose: Compose, number: int) -> list[str]:
    """The services that could be one of the five streaming jobs, whatever it would be called."""
    return [name for name in compose.services if name.endswith(f"-{number}") and name not in SPARK]


def not_started(compose: Compose) -> dict[str, int]:
    """Of what a pipeline on Spark streaming has all the time: how many of each a plain ``up`` does not start."""
    plain = {name for name, each in compose.services.items() if "profiles" not in each}
    return {
        "jobs": sum(not jobs(compose, number) for number in JOBS),
        "prefect": len({f"prefect-{what}" for what in PREFECT} - plain),
        "spark": len(SPARK - plain),
    }


@pytest.mark.parametrize("number", JOBS)
def test_the_streaming_jobs_are_gone(compose: Compose, number: int) -> None:
    """Whatever one of the five would be called."""
    assert not jobs(compose, number)


def test_the_page_counts_what_is_not_started(compose: Compose) -> None:
    """The sum and what it is made of: at least the nine that were promised. What works in their place is there."""
    told = r"none of (\w+) services .* Spark streaming .*: (\w+) jobs, Prefect's (\w+), Spark's (\w+)\.\n(.*)\.\n"
    ((total, *parts, instead),) = re.findall(told, PAGE)
    spared = not_started(compose)
    assert sum(spared.values()) >= 9
    assert [total, *parts] == [WORDS[each] for each in (sum(spared.values()), *spared.values())]
    working = re.findall(r"`(\w+)`", instead)
    assert working
    assert [name for name in working if name not in compose.ours] == []


def test_no_service_is_a_streaming_job_of_spark(compose: Compose) -> None:
    """Neither by its name, nor by what it runs."""
    assert not [name for name in compose.services if "stream" in name or "job" in name]
    commands = json.dumps([[each.get("entrypoint"), each.get("command")] for each in compose.services.values()])
    assert "spark-submit" not in commands
    assert "stream" not in commands


@pytest.mark.parametrize("what", PREFECT)
def test_there_is_no_prefect(compose: Compose, what: str) -> None:
    """Timers are the services' own."""
    assert f"prefect-{what}" not in compose.services
    assert "prefect" not in json.dumps(compose.services)


def test_spark_is_there_by_its_profile_alone(compose: Compose) -> None:
    """A plain ``up`` starts none of it; a maintenance has a driver of its own while it works."""
    of_spark = {name for name in compose.services if name.startswith("spark")}
    assert of_spark == SPARK
    assert all(compose.services[name]["profiles"] == ["batch"] for name in SPARK)
