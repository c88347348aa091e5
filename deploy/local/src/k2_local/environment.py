"""The variables by which the project's programs find a stack."""

from k2_local.clickhouse import DATABASE, OWNER, READER
from k2_local.parts import Site
from k2_local.rest_catalog import LOCATION
from k2_local.seaweed import REGION, WAREHOUSE
from k2_support.ports import HOST


def environment(site: Site) -> dict[str, str]:
    """Name and value of every variable, secrets included."""
    port, identity = site.ports, site.identity
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{port['kafka']}",
        "SCHEMA_REGISTRY_URL": f"http://{HOST}:{port['registry']}/apis/ccompat/v7",
        **_catalog(site),
        "S3_ENDPOINT": f"http://{HOST}:{port['s3']}",
        "S3_ACCESS_KEY_ID": identity.s3_access_key_id,
        "S3_SECRET_ACCESS_KEY": identity.s3_secret_access_key,
        "S3_REGION": REGION,
        "CLICKHOUSE_URL": f"http://{HOST}:{port['clickhouse']}",
        "CLICKHOUSE_DATABASE": DATABASE,
        "CLICKHOUSE_USER": OWNER,
        "CLICKHOUSE_PASSWORD": identity.password_of(OWNER),
        "CLICKHOUSE_READER_USER": READER,
        "CLICKHOUSE_READER_PASSWORD": identity.password_of(READER),
    }


def _catalog(site: Site) -> dict[str, str]:
    """How the Iceberg catalog is reached: SeaweedFS' asks for our keys, the one on PostgreSQL lets everybody in."""
    uri, identity = f"http://{HOST}:{site.ports['iceberg']}", site.identity
    if site.settings.catalog == "postgres":
        return {"ICEBERG_CATALOG_URI": uri, "ICEBERG_WAREHOUSE": LOCATION}
    return {
        "ICEBERG_CATALOG_URI": uri,
        "ICEBERG_WAREHOUSE": f"s3://{WAREHOUSE}",
        "ICEBERG_CREDENTIAL": f"{identity.s3_access_key_id}:{identity.s3_secret_access_key}",
        "ICEBERG_OAUTH2_SERVER_URI": f"{uri}/v1/oauth/tokens",
    }
