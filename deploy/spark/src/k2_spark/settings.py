"""What Spark must be told to find the lake; pure."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from k2_shared.core.settings import LakeSettings

CATALOG = "lake"
"""The catalog's name in Spark's SQL: ``lake.market_data.gold_crypto_trades``."""
_TIMEOUT = "rest.client.{}-timeout-ms"


def catalog_options(lake: LakeSettings) -> dict[str, str]:
    """The options of an Iceberg catalog as Java has them; they hold the keys.

    Tables are read anew from the catalog each time: the sink commits every few seconds.
    """
    secret, credential = lake.s3_secret_access_key, lake.iceberg_credential
    timeout_ms = str(int(lake.iceberg_timeout_s * 1_000))
    given = {
        "type": "rest",
        "uri": lake.iceberg_catalog_uri,
        "warehouse": lake.iceberg_warehouse,
        "credential": credential and credential.get_secret_value(),
        "oauth2-server-uri": lake.iceberg_oauth2_server_uri,
        "scope": "catalog",
        "cache-enabled": "false",
        _TIMEOUT.format("connection"): timeout_ms,
        _TIMEOUT.format("socket"): timeout_ms,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": lake.s3_endpoint,
        "s3.path-style-access": "true",
        "s3.access-key-id": lake.s3_access_key_id,
        "s3.secret-access-key": secret and secret.get_secret_value(),
        "client.region": lake.s3_region,
    }
    return {name: value for name, value in given.items() if value}


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
        "spark.redaction.regex": "(?i)secret|password|token|access[.-]?key|credential",
    }


def _prefixed(prefix: str, options: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{name}": value for name, value in options.items()}
