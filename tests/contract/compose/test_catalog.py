"""The Iceberg catalog of the compose file: Lakekeeper on PostgreSQL, or by a few lines SeaweedFS' own."""

import re
from typing import Any

import pytest
import yaml
from tests.contract.compose.composefile import DONE, HEALTHY, ROOT, Compose, read_with, seaweedfs_catalog

from k2_shared.core.lake_settings import LakeSettings

PARTS = ("lakekeeper-database", "lakekeeper-migrate", "lakekeeper", "lakekeeper-warehouse")
"""In their order."""
SECRETS = ("REGISTRY_DB_PASSWORD", "LAKEKEEPER_DB_PASSWORD", "LAKEKEEPER_ENCRYPTION_KEY", "S3_SECRET_ACCESS_KEY")


def lake_of(service: dict[str, Any]) -> LakeSettings:
    """The lake as a service's variables have it."""
    given = {name.lower(): value for name, value in service["environment"].items() if value is not None}
    return LakeSettings.load(**{name: value for name, value in given.items() if name in LakeSettings.model_fields})


def test_each_part_waits_for_the_one_before(compose: Compose) -> None:
    """None without PostgreSQL, and the tables only when the warehouse stands."""
    assert compose.before("lakekeeper-database") == {"postgres": HEALTHY}
    assert compose.before("lakekeeper-migrate") == {"lakekeeper-database": DONE}
    assert compose.before("lakekeeper") == {"lakekeeper-migrate": DONE, "postgres": HEALTHY}
    assert compose.before("lakekeeper-warehouse") == {"lakekeeper": HEALTHY, "seaweedfs": HEALTHY}
    assert compose.before("init")["lakekeeper-warehouse"] == DONE


def test_a_plain_up_starts_all_of_it(compose: Compose) -> None:
    """Once each; what ends is not started again."""
    services = [compose.services[name] for name in PARTS]
    assert [(each.get("profiles"), each["scale"]) for each in services] == [(None, 1)] * len(PARTS)
    assert [each["restart"] for each in services] == ["no", "no", "unless-stopped", "no"]


def test_one_version_migrates_and_serves(compose: Compose) -> None:
    """On one database, by a user of its own, whom the step before makes; each by its own command."""
    migrate, serve = (compose.services[name] for name in ("lakekeeper-migrate", "lakekeeper"))
    assert (migrate["image"], migrate["environment"]) == (serve["image"], serve["environment"])
    assert (migrate["command"], serve["command"]) == (["migrate"], ["serve"])
    told = serve["environment"]
    user, host, database = (told[f"LAKEKEEPER__PG_{name}"] for name in ("USER", "HOST_W", "DATABASE"))
    made = (ROOT / "deploy/lakekeeper/database.sql").read_text()
    assert f"ALTER ROLE {user} LOGIN" in made
    assert f"CREATE DATABASE {database} OWNER {user}" in made
    assert host == "postgres" == compose.services["lakekeeper-database"]["environment"]["PGHOST"]


def test_both_databases_are_on_one_server(compose: Compose) -> None:
    """Its first user is the registry's, as ever, and the database is made by that user."""
    server, registry = (compose.services[name]["environment"] for name in ("postgres", "registry"))
    assert registry["APICURIO_DATASOURCE_URL"] == f"jdbc:postgresql://postgres:5432/{server['POSTGRES_DB']}"
    assert registry["APICURIO_DATASOURCE_USERNAME"] == server["POSTGRES_USER"]
    making = compose.services["lakekeeper-database"]
    assert making["image"] == compose.services["postgres"]["image"]
    asked = {name: making["environment"][f"PG{name}"] for name in ("USER", "PASSWORD", "DATABASE")}
    given = {"USER": "USER", "PASSWORD": "PASSWORD", "DATABASE": "DB"}
    assert asked == {name: server[f"POSTGRES_{of}"] for name, of in given.items()}


def test_clients_find_the_warehouse_that_is_made(compose: Compose) -> None:
    """By its name and without a login of the catalog's; its place is in a bucket of the store."""
    making = compose.services["lakekeeper-warehouse"]["environment"]
    lake = lake_of(compose.services["iceberg_sink"])
    told = compose.services["lakekeeper"]["environment"]
    assert lake.iceberg_catalog_uri == f"{making['LAKEKEEPER_URL']}/catalog"
    assert making["LAKEKEEPER_URL"] == f"http://lakekeeper:{told['LAKEKEEPER__LISTEN_PORT']}"
    assert lake == lake_of({"environment": making})
    assert (lake.iceberg_credential, lake.iceberg_oauth2_server_uri) == (None, None)
    (bucket,) = re.findall(r"^s3://([^/]+)/", making["LAKEKEEPER_LOCATION"])
    assert f"-bucket={bucket}" in compose.services["seaweedfs"]["command"]


@pytest.mark.parametrize("name", ["lakekeeper-database", "lakekeeper-warehouse"])
def test_what_is_mounted_is_there(compose: Compose, name: str) -> None:
    """The file that is run, for reading only."""
    service = compose.services[name]
    ((folder, place, how),) = (volume.split(":") for volume in service["volumes"])
    assert how == "ro"
    (run,) = re.findall(rf"{place}/(\S+?)(?:'|$)", str(service["entrypoint"]).replace("]", ""))
    assert (ROOT / folder / run).is_file()


def test_no_secret_stands_in_a_command(compose: Compose) -> None:
    """Commands are listed and logged: secrets are variables, each with a line of .env.example to change it."""
    for variable in SECRETS:
        assert compose.variables[variable]
        services = read_with({variable: "the-secret"})
        shown = [{key: each.get(key) for key in ("command", "entrypoint", "healthcheck")} for each in services.values()]
        assert "the-secret" not in str(shown)
        assert "the-secret" in str([each.get("environment") for each in services.values()])


def test_prometheus_asks_lakekeeper_where_there_is_one(compose: Compose) -> None:
    """It is found by its name: where another catalog is used, no target is down for ever."""
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    (job,) = (each for each in jobs if each["job_name"] == "lakekeeper")
    (found,) = job["dns_sd_configs"]
    assert (found["names"], found["type"]) == (["lakekeeper"], "A")
    assert found["port"] == compose.services["lakekeeper"]["environment"]["LAKEKEEPER__METRICS__PORT"]


def test_a_few_lines_leave_lakekeeper_out() -> None:
    """None of it is started; compose waits for nothing that is to run no time. PostgreSQL stays, for the registry."""
    services = read_with(seaweedfs_catalog())
    assert [services[name]["scale"] for name in PARTS] == [0] * len(PARTS)
    others = {name: each for name, each in services.items() if name not in PARTS}
    assert {name for name, each in others.items() if "lakekeeper" in str(each.get("environment"))} == set()
    assert services["postgres"].get("scale", 1) == 1


def test_those_lines_name_the_catalog_of_seaweedfs(compose: Compose) -> None:
    """At the port where it serves it, with its own warehouse, by the keys that the store has by default."""
    before, lake = (lake_of(services["init"]) for services in (compose.services, read_with(seaweedfs_catalog())))
    command = compose.services["seaweedfs"]["command"]
    assert "-s3.port.iceberg=8181" in command
    assert lake.iceberg_catalog_uri == "http://seaweedfs:8181"
    assert lake.iceberg_oauth2_server_uri == "http://seaweedfs:8181/v1/oauth/tokens"
    assert f"-tableBucket={lake.iceberg_warehouse.removeprefix('s3://')}" in command
    assert lake.iceberg_credential
    assert lake.iceberg_credential.get_secret_value() == ":".join((before.store_keys.key, before.store_keys.secret))
