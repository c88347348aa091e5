"""The compose file and its example environment, read once."""

import os
import re

import pytest
import yaml
from tests.contract.compose.composefile import ROOT, Compose, replaced_by_defaults

_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


_SERVERS = ("KAFKA_", "SCHEMA_REGISTRY_", "ICEBERG_", "S3_", "CLICKHOUSE_")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the servers that the tests run on: what the files do not say has its default."""
    for name in [each for each in os.environ if each.startswith(_SERVERS)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def compose() -> Compose:
    """The compose file; a variable without a default fails."""
    replaced, variables = replaced_by_defaults(_COMMENT.sub("", (ROOT / "docker-compose.yml").read_text()))
    assert "${" not in replaced
    return Compose(variables, yaml.safe_load(replaced))


@pytest.fixture(scope="session")
def example() -> dict[str, str]:
    """The variables of .env.example; one that stands twice fails."""
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.partition("=") for line in lines]
    found = {name: value for name, _, value in pairs}
    assert len(found) == len(pairs)
    return found
