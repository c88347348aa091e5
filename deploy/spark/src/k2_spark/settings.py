"""What Spark must be told to find the lake; pure."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from k2_shared.batch.settings import SparkSettings
from k2_shared.core.catalog_properties import passed_on
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings

CATALOG = "lake"
"""The catalog's name in Spark's SQL: ``lake.market_data.gold_crypto_trades``."""
_HERE = "127.0.0.1"
_TIMEOUT = "rest.client.{}-timeout-ms"


def catalog_options(lake: LakeSettings) -> dict[str, str]:
    """The options of an Iceberg catalog as Java has them; they hold the keys.

    Tables are read anew from the catalog each time: the sink commits every few seconds.

    Raises:
        ConfigError: the catalog is a database, or keys are in a file.
    """
    _check(lake)
    timeout_ms = str(int(lake.iceberg_timeout_s * 1_000))
    given = {
        "type": "rest",
        "uri": lake.iceberg_catalog_uri,
        "warehouse": lake.iceberg_warehouse,
        **_login(lake),
        "oauth2-server-uri": lake.iceberg_oauth2_server_uri,
        "scope": "catalog",
        "cache-enabled": "false",
        _TIMEOUT.format("connection"): timeout_ms,
        _TIMEOUT.format("socket"): timeout_ms,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": lake.s3_endpoint,
        "s3.path-style-access": "true",
        "s3.access-key-id": lake.s3_access_key_id,
        "s3.secret-access-key": _revealed(lake.s3_secret_access_key),
        "s3.session-token": _revealed(lake.s3_session_token),
        "client.region": lake.s3_region,
        # As pyiceberg asks: who is not asked for it, SeaweedFS gives an address of the store of its own, which wins.
        "header.X-Iceberg-Access-Delegation": "vended-credentials",
        **passed_on(lake.iceberg_properties),
    }
    return {name: value for name, value in given.items() if value}


def _check(lake: LakeSettings) -> None:
    if lake.has_sql_catalog:
        raise ConfigError(
            f"ICEBERG_CATALOG_URI is {lake.iceberg_catalog_uri}, and Spark is given no driver for a database: "
            "name a REST catalog, http://… or https://…"
        )
    if lake.s3_credentials_file:
        raise ConfigError(
            f"S3_CREDENTIALS_FILE is {lake.s3_credentials_file}, which Spark would read once: leave it out and "
            "name the file by AWS_SHARED_CREDENTIALS_FILE, or set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"
        )


def _login(lake: LakeSettings) -> dict[str, str | None]:
    """A token takes the place of a credential, by which another one would be asked for."""
    if lake.iceberg_token:
        return {"token": _revealed(lake.iceberg_token)}
    return {"credential": _revealed(lake.iceberg_credential)}


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def spark_options(lake: LakeSettings, jars: Sequence[Path]) -> dict[str, str]:
    """The options of a session whose drivers and executors have Iceberg's jars on their own class paths.

    ``spark.jars`` would send the jars to each executor at its first job, which takes 8 s.
    """
    classpath = os.pathsep.join(map(os.fspath, jars))
    catalog = f"spark.sql.catalog.{CATALOG}"
    return {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.defaultCatalog": CATALOG,
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        **_prefixed(catalog, catalog_options(lake)),
        # The keys are no one's to read in logs and on pages.
        "spark.redaction.regex": "(?i)secret|password|token|access[.-]?key|credential|header",
    }


def _prefixed(prefix: str, options: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{name}": value for name, value in options.items()}


def driver_options(spark: SparkSettings) -> dict[str, str]:
    """How a driver runs; one whose executors are on this machine alone is reached from nowhere else."""
    given = {
        "spark.driver.memory": spark.spark_driver_memory,
        "spark.executor.memory": spark.spark_executor_memory,
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    if not spark.spark_master.startswith(("local", f"spark://{_HERE}:")):
        return given
    return {**given, "spark.driver.bindAddress": _HERE, "spark.driver.host": _HERE}
