"""What Spark is told of the lake follows from our settings."""

import re
from pathlib import Path
from typing import Any

import pytest

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_spark.settings import CATALOG, catalog_options, driver_options, spark_options

KEY, SECRET, CREDENTIAL = "the-key", "the-secret", "the-user:the-password"


def lake(**changes: Any) -> LakeSettings:
    given = {"s3_access_key_id": KEY, "s3_secret_access_key": SECRET, "iceberg_credential": CREDENTIAL, **changes}
    return LakeSettings.load(**given)


def test_the_catalog_is_that_of_our_settings() -> None:
    """In Java's words: another name for the region, milliseconds for seconds, paths in place of virtual hosts."""
    found = catalog_options(lake(s3_region="eu-west-1", s3_endpoint="https://s3:1", iceberg_timeout_s=2.5))
    assert (found["client.region"], found["s3.endpoint"]) == ("eu-west-1", "https://s3:1")
    assert found["rest.client.socket-timeout-ms"] == found["rest.client.connection-timeout-ms"] == "2500"
    assert found["s3.path-style-access"] == "true"
    assert (found["credential"], found["s3.secret-access-key"]) == (CREDENTIAL, SECRET)


def test_the_store_is_ours_to_say() -> None:
    """SeaweedFS' catalog names an address of its own to who does not ask for what pyiceberg asks for."""
    assert catalog_options(lake())["header.X-Iceberg-Access-Delegation"] == "vended-credentials"


def test_what_has_no_setting_is_not_told() -> None:
    """A catalog without a credential is not given an empty one."""
    found = catalog_options(lake(iceberg_credential=None, iceberg_oauth2_server_uri=None))
    assert not {"credential", "oauth2-server-uri", "token", "s3.session-token"} & set(found)


def test_a_token_takes_the_place_of_a_credential_and_properties_are_passed_on() -> None:
    """As for the sink."""
    found = catalog_options(lake(iceberg_token="the-token", iceberg_properties="scope=lakekeeper,header.x=y"))
    assert (found["token"], found["scope"], found["header.x"]) == ("the-token", "lakekeeper", "y")
    assert "credential" not in found


def test_a_catalog_that_is_a_database_is_refused() -> None:
    """The text says what is wanted in its place."""
    with pytest.raises(ConfigError, match=r"postgresql://db/k2.*name a REST catalog"):
        catalog_options(lake(iceberg_catalog_uri="postgresql://db/k2"))


def test_keys_in_a_file_are_refused(tmp_path: Path) -> None:
    """Spark would not notice that they change."""
    file = tmp_path / "keys"
    file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    with pytest.raises(ConfigError, match=r"S3_CREDENTIALS_FILE is .*keys.*AWS_SHARED_CREDENTIALS_FILE"):
        catalog_options(lake(s3_access_key_id=None, s3_secret_access_key=None, s3_credentials_file=file))


def test_tables_are_not_cached() -> None:
    """The sink commits every few seconds, and a session would read what it had seen first."""
    assert catalog_options(lake())["cache-enabled"] == "false"


def test_the_jars_are_on_the_class_paths_of_drivers_and_executors() -> None:
    """And are not sent to each executor at its first job."""
    found = spark_options(lake(), [Path("/jars/one.jar"), Path("/jars/two.jar")])
    paths = {found[f"spark.{each}.extraClassPath"] for each in ("driver", "executor")}
    assert paths == {"/jars/one.jar:/jars/two.jar"}
    assert "spark.jars" not in found


def test_no_option_shows_a_key() -> None:
    """In logs and on pages Spark blackens what its pattern finds, and it finds an option with a secret by its name."""
    found = spark_options(lake(), [])
    hidden = re.compile(found["spark.redaction.regex"].removeprefix("(?i)"), re.IGNORECASE)
    secret = {name for name, value in found.items() if value in (KEY, SECRET, CREDENTIAL)}
    assert secret == {
        f"spark.sql.catalog.{CATALOG}.{n}" for n in ("s3.access-key-id", "s3.secret-access-key", "credential")
    }
    assert all(hidden.search(name) for name in secret)


@pytest.mark.parametrize("master", ["local", "local[2]", "spark://127.0.0.1:7077"])
def test_a_driver_whose_executors_are_here_is_reached_from_nowhere_else(master: str) -> None:
    """By default it would take connections at the address of the machine's name."""
    found = driver_options(SparkSettings.load(spark_master=master, spark_executor_memory="1g"))
    assert (found["spark.driver.host"], found["spark.driver.bindAddress"]) == ("127.0.0.1", "127.0.0.1")
    assert found["spark.executor.memory"] == "1g"


def test_a_driver_of_another_machines_cluster_is_reached_by_its_executors() -> None:
    """At the address that Spark finds for it."""
    found = driver_options(SparkSettings.load(spark_master="spark://spark-master:7077"))
    assert not {"spark.driver.host", "spark.driver.bindAddress"} & set(found)
