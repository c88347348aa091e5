"""The static file of targets, by which ``k2 status`` finds what the compose file runs."""

from tests.contract.compose.composefile import ROOT, Compose

from k2.status.settings import Pipeline

_NOT_AGENTS = {"init", "exchange_sim"}


def published(compose: Compose, service: str, inside: int) -> str:
    """Where a port of a service is reached from the host."""
    found = [port.rsplit(":", 1) for port in compose.services[service]["ports"]]
    (host,) = (outside for outside, port in found if int(port) == inside)
    return str(host)


def test_every_agent_is_named_with_its_port(compose: Compose) -> None:
    """Each with what starts it, and nobody else."""
    found = Pipeline.find(ROOT / "deploy" / "targets.json").targets.agents
    agents = sorted(set(compose.ours) - _NOT_AGENTS)
    assert sorted(agent.name for agent in found) == agents
    for agent in found:
        inside = compose.services[agent.name]["environment"]["WEB_PORT"]
        assert agent.url == f"http://{published(compose, agent.name, inside)}"
        assert agent.start == f"docker compose up -d {agent.name}"


def test_the_servers_are_those_of_the_file(compose: Compose) -> None:
    """At their published ports, with the keys that the file has by default, and started by compose."""
    found = Pipeline.find(ROOT / "deploy" / "targets.json")
    assert found.targets.start == "docker compose up -d"
    settings = found.settings
    inside = compose.services["init"]["environment"]
    assert settings.kafka_bootstrap_servers == published(compose, "kafka", 29092)
    assert settings.schema_registry_url == f"http://{published(compose, 'registry', 8080)}/apis/ccompat/v7"
    assert settings.iceberg_catalog_uri == f"http://{published(compose, 'lakekeeper', 8181)}/catalog"
    assert settings.s3_endpoint == f"http://{published(compose, 'seaweedfs', 8333)}"
    assert (settings.iceberg_credential, inside["ICEBERG_CREDENTIAL"]) == (None, None)
    assert settings.clickhouse_url == f"http://{published(compose, 'clickhouse', 8123)}"
    assert settings.clickhouse_user == inside["CLICKHOUSE_USER"]
    assert settings.clickhouse_password
    assert settings.clickhouse_password.get_secret_value() == inside["CLICKHOUSE_PASSWORD"]
    assert settings.iceberg_warehouse == inside["ICEBERG_WAREHOUSE"]
